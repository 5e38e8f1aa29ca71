package launch

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
)

// ProgramOptions describe a program of this module that a test needs beside a shop.
type ProgramOptions struct {
	Root    string // default: FindRoot
	RunDir  string // working directory and log; must exist
	Package string // relative to Root, such as "./tests/psp/cmd/psp"
	Args    func(port int) []string
	Health  string // path that answers 2xx once the program is ready
}

// A Program dies with this process. It has a block of ports: the next 99 after Port are free for whom the
// caller wishes.
type Program struct {
	*single
	Port int
}

// URL is the program's address, without a slash at the end.
func (p *Program) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", p.Port) }

// StartProgram builds a program, starts it on a free port and waits until it answers.
func StartProgram(ctx context.Context, o ProgramOptions) (*Program, error) {
	one, err := newSingle(ctx, o.Root, o.RunDir)
	if err != nil {
		return nil, err
	}
	name, port := filepath.Base(o.Package), one.block.base
	if err := buildInto(ctx, one.root, binDir(one.root), name, io.Discard, o.Package); err != nil {
		return nil, one.abandon(err)
	}
	svc := service{
		name: name, args: append([]string{filepath.Join(binDir(one.root), name)}, o.Args(port)...),
		ports:   map[string]int{"http": port},
		healthy: answers(port, o.Health),
	}
	if err := one.start(ctx, svc, nil); err != nil {
		return nil, err
	}
	return &Program{one, port}, nil
}
