package dev

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"haberdash/dapr/launch/toolchain"
)

// sources knows which apps the files of a checkout belong to.
type sources struct {
	root     string
	packages map[string]toolchain.Package // by folder
}

// list lists the sources of the apps of a checkout, but for some.
func list(ctx context.Context, root string, except ...string) (sources, error) {
	// The go command answers, and the system reports changes, with paths that have no symbolic links.
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return sources{}, err
	}
	all, err := toolchain.AppPackages(ctx, root)
	s := sources{root: root, packages: map[string]toolchain.Package{}}
	for _, p := range all {
		p.Apps = slices.DeleteFunc(p.Apps, func(app string) bool { return slices.Contains(except, app) })
		if len(p.Apps) > 0 {
			s.packages[p.Dir] = p
		}
	}
	return s, err
}

// apps lists all apps.
func (s sources) apps() []string {
	found := map[string]bool{}
	for _, p := range s.packages {
		for _, app := range p.Apps {
			found[app] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// folders lists the folders of the checkout that have the packages in them.
func (s sources) folders() []string {
	found := map[string]bool{}
	for dir := range s.packages {
		if rel, err := filepath.Rel(s.root, dir); err == nil {
			first, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
			found[filepath.Join(s.root, first)] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// isSource reports whether a file can be a part of a program.
func (s sources) isSource(path string) bool {
	name := filepath.Base(path)
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || strings.HasSuffix(name, "_test.go") {
		return false
	}
	return strings.HasSuffix(name, ".go") || len(s.appsOf(path)) > 0
}

// appsOf returns the apps that a changed file or folder belongs to: those of its package if it is Go source, all if it
// has the versions of libraries, and otherwise those of the packages above it that contain other files. These are more
// than the ones that contain the file, and the build finds out that the others are as before.
func (s sources) appsOf(path string) []string {
	dir, name := filepath.Dir(path), filepath.Base(path)
	if dir == s.root && (name == "go.mod" || name == "go.sum") {
		return s.apps()
	}
	if strings.HasSuffix(name, ".go") {
		return s.packages[dir].Apps
	}
	found := slices.Clone(s.packages[path].Apps)
	for ; strings.HasPrefix(dir, s.root+string(filepath.Separator)); dir = filepath.Dir(dir) {
		if p := s.packages[dir]; p.Embeds {
			found = append(found, p.Apps...)
		}
	}
	return found
}
