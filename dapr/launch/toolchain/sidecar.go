package toolchain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Dapr's own builds of the sidecar register all stable components, or all. They come from files of one package, most of
// them with one component. The sidecar of a local shop is built from those files that register the components which the
// shop names, so it is smaller and built sooner. The overlay of the go command adds the files to the package
// dapr/local/daprd: nothing is written into the checkout.
const (
	daprModule     = "github.com/dapr/dapr"
	daprComponents = daprModule + "/cmd/daprd/components" // registers all of them, in its files' functions init
	daprApp        = daprModule + "/cmd/daprd/app"        // imports daprComponents
	localDaprd     = "haberdash/dapr/local/daprd"
)

// overlay writes the files of a sidecar with some components into a directory, and returns the path of the file for the
// flag -overlay of the go command.
func overlay(root, module, dir string, wanted []component) (string, error) {
	all, err := readCatalogue(module)
	if err != nil {
		return "", err
	}
	files, err := all.files(wanted)
	if err != nil {
		return "", err
	}
	sidecar := filepath.Join(root, "dapr", "local", "daprd")
	replace := map[string]string{}
	add := func(from, to string, change func([]byte) []byte) error {
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		copied := filepath.Join(dir, strings.ReplaceAll(to, string(filepath.Separator), "-"))
		replace[filepath.Join(sidecar, to)] = copied
		return os.WriteFile(copied, change(text), 0o600)
	}
	for _, file := range files {
		err = errors.Join(err, add(file, filepath.Join("components", filepath.Base(file)), withoutConstraint))
	}
	app := filepath.Join(module, "cmd", "daprd", "app", "app.go")
	main := filepath.Join(sidecar, "main.go")
	err = errors.Join(err,
		add(app, filepath.Join("app", "app.go"), func(text []byte) []byte {
			return replaceImport(text, daprComponents, localDaprd+"/components")
		}),
		add(main, "main.go", func(text []byte) []byte {
			return replaceImport(text, daprApp, localDaprd+"/app")
		}))
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, text, 0o600)
}

func replaceImport(text []byte, from, to string) []byte {
	return bytes.ReplaceAll(text, []byte(strconv.Quote(from)), []byte(strconv.Quote(to)))
}

// withoutConstraint removes the line by which Dapr builds a file only into some of its sidecars.
func withoutConstraint(text []byte) []byte {
	var kept [][]byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("//go:build ")) {
			kept = append(kept, line)
		}
	}
	return bytes.Join(kept, nil)
}

// moduleDir returns the directory with the source of a module that a module of the checkout needs, and downloads it
// first if necessary.
func moduleDir(ctx context.Context, dir, module string) (string, error) {
	cmd, err := goCommand(ctx, dir, "mod", "download", "-json", module)
	if err != nil {
		return "", err
	}
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.Output()
	var found struct{ Dir, Error string }
	if json.Unmarshal(out, &found) == nil && found.Dir != "" {
		return found.Dir, nil
	}
	return "", errors.Join(fmt.Errorf("the source of %s: %s%s", module, found.Error, failed.String()), err)
}
