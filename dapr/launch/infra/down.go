package infra

import (
	"context"
	"os"

	"haberdash/dapr/launch/rundir"
)

// Down stops the servers of a directory and what a launcher that was killed left behind; data stays. It reports whether
// there was anything to stop.
func Down(ctx context.Context, o Options) (bool, error) {
	o, err := o.complete()
	if err != nil {
		return false, err
	}
	_, was, err := rundir.Down(ctx, o.Dir)
	if err != nil {
		return was, err
	}
	return was, os.RemoveAll(VarsFile(o.Dir))
}

// Clean stops the servers of a directory and removes their data.
func Clean(ctx context.Context, o Options) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	if _, err := Down(ctx, o); err != nil {
		return err
	}
	return os.RemoveAll(o.Dir)
}
