package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// copyState copies the components of a folder into another directory, with a prefix of keys of their own: a run does
// not find the keys of an earlier one.
func copyState(folder, to string) error {
	prefix := "conform-" + strings.ToLower(rand.Text()[:8])
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return err
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if text, err = withPrefix(text, prefix); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(path)), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// withPrefix sets the prefix of keys in the state stores of a file.
func withPrefix(text []byte, prefix string) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var document map[string]any
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return out.Bytes(), encoder.Close()
		} else if err != nil {
			return nil, err
		}
		if spec, _ := document["spec"].(map[string]any); spec != nil {
			if kind, _ := spec["type"].(string); strings.HasPrefix(kind, "state.") {
				items, _ := spec["metadata"].([]any)
				spec["metadata"] = append(items, map[string]any{"name": "keyPrefix", "value": prefix})
			}
		}
		if err := encoder.Encode(document); err != nil {
			return nil, err
		}
	}
}
