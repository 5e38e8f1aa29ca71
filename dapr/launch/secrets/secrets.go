// Package secrets keeps the secrets of a run directory in files with a NAME=value in each line: those that a local shop
// generates for itself, and the passwords of servers.
package secrets

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// generated are the secrets that a local shop generates and keeps as long as its data: ids are derived from the first,
// and the signing keys in the store are encrypted with the second.
var generated = []string{"ID_KEY", "KEY_ENCRYPTION_KEY"}

// FileName is the name of the file with the generated secrets in a run directory.
const FileName = "secrets.env"

// New returns a random secret of 24 hexadecimal digits.
func New() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails (crypto/rand, Go 1.24)
	return hex.EncodeToString(b)
}

// NewToken returns a random token of 48 hexadecimal digits.
func NewToken() string { return New() + New() }

// Generate returns the secrets of a run directory. It creates those that are missing.
func Generate(runDir string) (map[string]string, error) {
	path := filepath.Join(runDir, FileName)
	vars, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	for _, name := range generated {
		if vars[name] == "" {
			vars[name] = NewToken()
		}
	}
	return vars, WriteFile(path, vars)
}

// Fingerprints returns, by name, fingerprints of the secrets on which the data of a run directory depends. Equal
// secrets have equal fingerprints, and a fingerprint does not disclose its secret. Secrets that do not exist yet are
// left out.
func Fingerprints(runDir string) (map[string]string, error) {
	vars, err := ReadFile(filepath.Join(runDir, FileName))
	prints := map[string]string{}
	for _, name := range generated {
		if vars[name] == "" {
			continue
		}
		h := hmac.New(sha256.New, []byte(vars[name]))
		h.Write([]byte("haberdash fingerprint of " + name))
		prints[name] = hex.EncodeToString(h.Sum(nil)[:8])
	}
	return prints, err
}

// ReadFile reads the variables of a file; none if the file does not exist.
func ReadFile(path string) (map[string]string, error) {
	vars := map[string]string{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return vars, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if k, v, ok := strings.Cut(lines.Text(), "="); ok {
			vars[k] = v
		}
	}
	return vars, lines.Err()
}

// WriteFile writes the variables for ReadFile. Only the owner may read the file.
func WriteFile(path string, vars map[string]string) error {
	return write(path, vars, func(value string) string { return value })
}

// WriteShellFile writes the variables for a shell, which may contain any character. Only the owner may read the file.
func WriteShellFile(path string, vars map[string]string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return write(path, vars, Quote)
}

// WriteDotEnv writes the variables for a shell and for editors, not all of which know quotes: only values that a shell
// would misunderstand are in quotes. Only the owner may read the file.
func WriteDotEnv(path string, vars map[string]string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return write(path, vars, QuoteIfNeeded)
}

// ReadShellFile reads the variables that WriteShellFile or WriteDotEnv has written; none if the file does not exist. A
// value has no line breaks.
func ReadShellFile(path string) (map[string]string, error) {
	vars, err := ReadFile(path)
	for name, value := range vars {
		value = strings.TrimSuffix(strings.TrimPrefix(value, "'"), "'")
		vars[name] = strings.ReplaceAll(value, `'\''`, "'")
	}
	return vars, err
}

// Quote quotes a word for a shell.
func Quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// QuoteIfNeeded quotes a word that a shell would not take as it is.
func QuoteIfNeeded(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return Quote(word)
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_@%+,./:=-]*$`)

func write(path string, vars map[string]string, encode func(value string) string) error {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		fmt.Fprintf(&b, "%s=%s\n", k, encode(vars[k]))
	}
	if err := os.WriteFile(path+".new", []byte(b.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
