package toolchain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"haberdash/dapr/launch/process"
)

// Package is a package of the checkout that at least one app consists of.
type Package struct {
	Dir    string   // absolute
	Embeds bool     // contains files that are no Go source
	Apps   []string // of which it is a part
}

// listed is a package in the output of `go list`.
type listed struct {
	ImportPath, Name, Dir string
	Standard              bool
	Module                *struct{ Main bool }
	EmbedPatterns         []string
	Deps                  []string
}

// AppPackages asks the go command which packages of the checkout each app consists of. A package whose source is wrong
// is one of them, too: the build tells what is wrong.
func AppPackages(ctx context.Context, root string) ([]Package, error) {
	const fields = "ImportPath,Name,Dir,Standard,Module,EmbedPatterns,Deps"
	cmd, err := goCommand(ctx, root, "list", "-e", "-deps", "-json="+fields, "./apps/...")
	if err != nil {
		return nil, err
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("go list: %w\n%s", err, process.LastLines(errs.String(), 20))
	}
	var all []listed
	for decoder := json.NewDecoder(&out); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if !p.Standard && p.Module != nil && p.Module.Main {
			all = append(all, p)
		}
	}
	apps := map[string][]string{} // by import path
	for _, p := range all {
		if p.Name == "main" {
			for _, dependency := range append(p.Deps, p.ImportPath) {
				apps[dependency] = append(apps[dependency], path.Base(p.ImportPath))
			}
		}
	}
	var list []Package
	for _, p := range all {
		if len(apps[p.ImportPath]) > 0 {
			list = append(list, Package{Dir: p.Dir, Embeds: len(p.EmbedPatterns) > 0, Apps: apps[p.ImportPath]})
		}
	}
	return list, nil
}
