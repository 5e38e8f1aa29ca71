package process

import (
	"os"
	"slices"
	"strings"
)

// inherited are the variables that every process gets from the environment of this program. Others may be secrets of
// the caller or of another app, so a process gets only those that it is given.
var inherited = []string{
	"PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"GOMEMLIMIT", "GOMAXPROCS", "GOGC", "GODEBUG", "GOTRACEBACK", "GOCOVERDIR",
}

// Environment is the environment of a process: the variables of this program that every process needs, and those of
// set, which take precedence.
func Environment(set map[string]string) []string { return With(Inherited(), set) }

// Inherited returns the variables of this program that every process needs, and those that more names.
func Inherited(more ...string) []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !slices.Contains(inherited, name) && !slices.Contains(more, name)
	})
}

// With returns env with the variables of set, which replace earlier values.
func With(env []string, set map[string]string) []string {
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if _, replaced := set[name]; !replaced {
			out = append(out, kv)
		}
	}
	for k, v := range set {
		out = append(out, k+"="+v)
	}
	return out
}
