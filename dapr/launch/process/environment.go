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

// Given returns the variables of env that a process was given and no other process has: without those that every
// process inherits, and without the mark, so that what starts with them is not a process of this program.
func Given(env []string) map[string]string {
	given := map[string]string{}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if name != "" && name != markVariable && !slices.Contains(inherited, name) {
			given[name] = value
		}
	}
	return given
}
