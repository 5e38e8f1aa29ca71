package sidecar_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// folding is a store that compares keys as a database with the wrong collation does.
type folding struct {
	sidecar.State
	fold func(string) string
}

func (f folding) Create(ctx context.Context, key string, value []byte, o ...sidecar.PutOption) error {
	return f.State.Create(ctx, f.fold(key), value, o...)
}

func (f folding) Get(ctx context.Context, key string) (sidecar.Item, error) {
	return f.State.Get(ctx, f.fold(key))
}

func (f folding) Put(ctx context.Context, key string, value []byte, etag string, o ...sidecar.PutOption) error {
	return f.State.Put(ctx, f.fold(key), value, etag, o...)
}

// overwriting is a store without conditions.
type overwriting struct{ sidecar.State }

func (s overwriting) Create(ctx context.Context, key string, value []byte, o ...sidecar.PutOption) error {
	return s.Put(ctx, key, value, "", o...)
}

// lastWins is a store that ignores ETags.
type lastWins struct{ sidecar.State }

func (s lastWins) Put(ctx context.Context, key string, value []byte, _ string, o ...sidecar.PutOption) error {
	return s.State.Put(ctx, key, value, "", o...)
}

// late is a store that reads from a copy that is behind.
type late struct{ sidecar.State }

func (late) Get(context.Context, string) (sidecar.Item, error) { return sidecar.Item{}, nil }

func TestAStoreThatBreaksAPromiseIsNamed(t *testing.T) {
	t.Parallel()
	require.NoError(t, sidecar.CheckStore(t.Context(), memory.NewState()))
	for _, c := range []struct {
		store sidecar.State
		want  string
	}{
		{folding{memory.NewState(), strings.ToLower}, "differ in case"},
		{folding{memory.NewState(), func(k string) string { return strings.TrimRight(k, " ") }}, "a space at the end"},
		{folding{memory.NewState(), func(k string) string { return strings.ReplaceAll(k, "é", "e") }}, "an accent"},
		{overwriting{memory.NewState()}, "creates a key that exists"},
		{lastWins{memory.NewState()}, "writes over a version that has changed"},
		{late{memory.NewState()}, "does not return what was written"},
	} {
		err := sidecar.CheckStore(t.Context(), c.store)
		require.ErrorIs(t, err, sidecar.ErrUnfit)
		require.ErrorContains(t, err, c.want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := sidecar.CheckStore(ctx, memory.NewState())
	require.Error(t, err)
	require.NotErrorIs(t, err, sidecar.ErrUnfit, "a store that does not answer may be fit")
}
