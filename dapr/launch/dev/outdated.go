package dev

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/toolchain"
)

// Outdated returns the names of those running processes whose programs differ, byte for byte, from the ones that were
// built last at the same place. It leaves out processes whose programs the checkout does not build, such as Python, and
// on other systems than Linux all of them.
func Outdated(root string, processes []process.Process) (names []string, err error) {
	built, err := filepath.EvalSymlinks(toolchain.BinDir(root))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	for _, p := range processes {
		if p.Exit != "" || !p.Alive() {
			continue
		}
		path, running, err := p.Program()
		if err != nil {
			continue // it has just stopped, or the system does not tell
		}
		differs := false
		if filepath.Dir(path) == built {
			differs, err = differ(running, path)
		}
		running.Close()
		if err != nil {
			return names, err
		}
		if differs {
			names = append(names, p.Name)
		}
	}
	return names, nil
}

// differ compares an open file with the file at a path.
func differ(one *os.File, path string) (bool, error) {
	other, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer other.Close()
	var sizes []int64
	for _, f := range []*os.File{one, other} {
		info, err := f.Stat()
		if err != nil {
			return false, err
		}
		sizes = append(sizes, info.Size())
	}
	if sizes[0] != sizes[1] {
		return true, nil
	}
	a, b := bufio.NewReaderSize(one, 1<<16), bufio.NewReaderSize(other, 1<<16)
	for {
		left, _ := a.Peek(1 << 16)
		right, _ := b.Peek(1 << 16)
		if !bytes.Equal(left, right) {
			return true, nil
		}
		if len(left) == 0 {
			return false, nil
		}
		if _, err := a.Discard(len(left)); err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if _, err := b.Discard(len(right)); err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
	}
}

// stopped returns those of the apps that have crashed, which a change may mend.
func stopped(apps []string, processes []process.Process) (names []string) {
	for _, p := range processes {
		if p.Exit != "" && !p.Detached && slices.Contains(apps, p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}
