package toolchain

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// component is a component that a file describes.
type component struct{ kind, name, file string } // kind is its type, such as state.redis

// componentsIn reads the components of folders.
func componentsIn(folders ...string) (list []component, err error) {
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			found, err := componentsOf(file, text)
			if err != nil {
				return nil, err
			}
			list = append(list, found...)
		}
	}
	return list, nil
}

func componentsOf(file string, text []byte) (list []component, err error) {
	documents := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var d struct {
			Kind     string
			Metadata struct{ Name string }
			Spec     struct{ Type string }
		}
		switch err := documents.Decode(&d); {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", file, err)
		case d.Kind == "Component":
			list = append(list, component{strings.ToLower(d.Spec.Type), d.Metadata.Name, file})
		}
	}
}

// neededComponents returns one component for each type that a sidecar needs: own are those of the checkout's folders
// of components, others those that only the given folders have.
func neededComponents(root string, folders []string) (own, others []component, err error) {
	ofCheckout, err := filepath.Glob(filepath.Join(root, "components", "*", "*"))
	if err != nil {
		return nil, nil, err
	}
	if own, err = componentsIn(ofCheckout...); err != nil {
		return nil, nil, err
	}
	if others, err = componentsIn(folders...); err != nil {
		return nil, nil, err
	}
	sort := func(list []component) []component {
		slices.SortStableFunc(list, func(a, b component) int { return strings.Compare(a.kind, b.kind) })
		return slices.CompactFunc(list, func(a, b component) bool { return a.kind == b.kind })
	}
	own = sort(own)
	others = slices.DeleteFunc(sort(others), func(c component) bool {
		return slices.ContainsFunc(own, func(o component) bool { return o.kind == c.kind })
	})
	return own, others, nil
}

func typesOf(list []component) (types []string) {
	for _, c := range list {
		types = append(types, c.kind)
	}
	return types
}
