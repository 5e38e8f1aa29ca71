package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRunServesAndRestartsWithItsJournal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 { // the second run reads the journal of the first
		ctx, stop := context.WithCancel(t.Context())
		in, out := io.Pipe()
		ended := make(chan error)
		go func() { ended <- run(ctx, []string{"-data", dir, "-faults", "0", "-seed", "7"}, out) }()
		line, err := bufio.NewReader(in).ReadString('\n')
		require.NoError(t, err)
		address, found := strings.CutPrefix(strings.TrimSpace(line), "psp listening on ")
		require.True(t, found, line)
		assert.True(t, strings.HasPrefix(address, "http://127.0.0.1:"), "it listens on the loopback interface only")
		res, err := http.Get(address + "/healthz")
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		assert.Equal(t, http.StatusOK, res.StatusCode)
		stop()
		require.NoError(t, <-ended)
	}
}

func TestInvalidArgumentsAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-colour", "blue"}, {"-port", "-1"}, {"-data", "/dev/null/nowhere"}} {
		require.Error(t, run(t.Context(), args, io.Discard), args)
	}
}
