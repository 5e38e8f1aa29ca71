package standalone

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/supervisor"
	"haberdash/dapr/launch/toolchain"
)

// ProgramOptions describe a program of this module that a test needs beside a shop.
type ProgramOptions struct {
	Root    string // default: toolchain.FindRoot
	RunDir  string // working directory, and directory of the log; must exist
	Package string // relative to Root, such as "./tests/psp/cmd/psp"
	Args    func(port int) []string
	Health  string // path that answers 2xx when the program is ready
}

// Program is a program of this module. The test may use the 99 ports after Port.
type Program struct {
	*Process
	Port int
}

// URL is the program's address, without a slash at the end.
func (p *Program) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", p.Port) }

// StartProgram builds a program, starts it and waits until it is ready.
func StartProgram(ctx context.Context, o ProgramOptions) (*Program, error) {
	p, err := newPlace(o.Root, o.RunDir)
	if err != nil {
		return nil, err
	}
	bin, err := toolchain.BuildProgram(ctx, p.root, o.Package, io.Discard)
	if err != nil {
		return nil, p.release(err)
	}
	port := p.block.Base
	started, err := p.start(ctx, supervisor.Spec{
		Name: filepath.Base(o.Package), Kind: process.KindApp, Ports: map[string]int{"http": port},
		Healthy: supervisor.HTTPCheck(port, o.Health),
		Command: process.Command{Args: append([]string{bin}, o.Args(port)...)},
	}, nil)
	if err != nil {
		return nil, err
	}
	return &Program{Process: started, Port: port}, nil
}
