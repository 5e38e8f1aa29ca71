package commitlog_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// texts is the model of aggregates that collect texts.
func texts() commitlog.Model[string] {
	return commitlog.Model[string]{Apply: func(_ string, s string, e commitlog.Event) (string, error) {
		var text string
		err := e.Decode(&text)
		return s + text, err
	}}
}

func write(t require.TestingT, p *commitlog.Partition[string], id, text string) {
	_, err := p.Do(context.Background(), []string{id}, func(tx *commitlog.Tx[string]) error {
		tx.Emit(id, "written", text)
		return nil
	})
	require.NoError(t, err)
}

// picky is a store that refuses to write some keys, or all, and counts calls.
type picky struct {
	*memory.State
	mu      sync.Mutex
	refused map[string]bool
	down    bool
	reads   int // keys
	writes  int // items
}

var errRefused = errors.New("refused")

func (s *picky) set(key string, refused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[key] = refused
}

func (s *picky) check(keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes += len(keys)
	for _, key := range keys {
		if s.down || s.refused[key] {
			return errRefused
		}
	}
	return nil
}

func (s *picky) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	s.mu.Lock()
	s.reads += len(keys)
	s.mu.Unlock()
	return s.State.GetMany(ctx, keys)
}

func (s *picky) Create(ctx context.Context, key string, value []byte, o ...sidecar.PutOption) error {
	if err := s.check(key); err != nil {
		return err
	}
	return s.State.Create(ctx, key, value, o...)
}

func (s *picky) Put(ctx context.Context, key string, value []byte, etag string, o ...sidecar.PutOption) error {
	if err := s.check(key); err != nil {
		return err
	}
	return s.State.Put(ctx, key, value, etag, o...)
}

// PutManyIf writes nothing if it refuses one of the items, like a transaction.
func (s *picky) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	var keys []string
	for _, item := range items {
		keys = append(keys, item.Key)
	}
	if err := s.check(keys...); err != nil {
		return err
	}
	return s.State.PutManyIf(ctx, items)
}

func (s *picky) stored(t require.TestingT, key string) string {
	item, err := s.State.Get(context.Background(), key)
	require.NoError(t, err)
	return string(item.Value)
}

func newPicky() *picky { return &picky{State: memory.NewState(), refused: map[string]bool{}} }

func openTexts(t require.TestingT, store sidecar.State, o commitlog.Options) *commitlog.Partition[string] {
	p, err := commitlog.Open(context.Background(), store, "test", "p", texts(), o)
	require.NoError(t, err)
	return p
}

func TestADocumentThatIsTooLargeStopsNoOther(t *testing.T) {
	t.Parallel()
	store := newPicky()
	options := commitlog.Options{CheckpointEvery: time.Millisecond}
	p := openTexts(t, store, options)
	for range 9 {
		write(t, p, "large", strings.Repeat("x", 128<<10))
	}
	write(t, p, "small", "a")
	require.Eventually(t, func() bool {
		return strings.Contains(store.stored(t, "partial-checkpoint/p"), `{"n":10,"p":10,"a":{"large":9}}`)
	}, 5*time.Second, time.Millisecond)
	assert.Equal(t, []string{"large"}, p.SetAside())
	assert.Contains(t, store.stored(t, "doc/p/small"), `"v":"a"`)
	require.NoError(t, p.Close(t.Context()))

	// A start reads the small document, and makes the large aggregate from its own events.
	again := openTexts(t, store, options)
	state, seq, err := again.Get(t.Context(), "large")
	require.NoError(t, err)
	assert.Equal(t, uint64(9), seq)
	assert.Len(t, state, 9*128<<10)
	write(t, again, "small", "b")
	require.Eventually(t, func() bool {
		return strings.Contains(store.stored(t, "partial-checkpoint/p"), `{"n":11,`)
	}, 5*time.Second, time.Millisecond)
	require.NoError(t, again.Close(t.Context()))

	// So does a rebuild.
	require.NoError(t, commitlog.Rebuild(t.Context(), store, "p", texts()))
	rebuilt := openTexts(t, store, options)
	defer rebuilt.Close(t.Context())
	state, _, err = rebuilt.Get(t.Context(), "large")
	require.NoError(t, err)
	assert.Len(t, state, 9*128<<10)
}

// Whichever keys a store refuses, and when: all other documents are written, and after a restart every aggregate is
// right.
func TestAnyDocumentMayBeRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		store := newPicky()
		options := commitlog.Options{CheckpointEvery: time.Hour}
		p, want := openTexts(rt, store, options), map[string]string{}
		ids := []string{"a", "b", "c", "d"}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			id := rapid.SampledFrom(ids).Draw(rt, "id")
			switch rapid.IntRange(0, 5).Draw(rt, "step") {
			case 0:
				store.set("doc/p/"+id, rapid.Bool().Draw(rt, "refused"))
			case 1:
				require.NoError(rt, p.Close(context.Background())) // writes a checkpoint
				for id := range want {
					if !store.refused["doc/p/"+id] {
						var d struct{ V string }
						require.NoError(rt, json.Unmarshal([]byte(store.stored(rt, "doc/p/"+id)), &d))
						require.Equal(rt, want[id], d.V)
					}
				}
				p = openTexts(rt, store, options)
			default:
				text := rapid.StringMatching(`[a-z]`).Draw(rt, "text")
				write(rt, p, id, text)
				want[id] += text
			}
		}
		_ = p.Close(context.Background())
		last := openTexts(rt, store, options)
		defer last.Close(context.Background())
		for id := range want {
			state, _, err := last.Get(context.Background(), id)
			require.NoError(rt, err)
			require.Equal(rt, want[id], state)
		}
	})
}

func TestAStoreThatRefusesEverythingIsNoFaultOfADocument(t *testing.T) {
	t.Parallel()
	store := newPicky()
	p := openTexts(t, store, commitlog.Options{CheckpointEvery: time.Hour})
	write(t, p, "a", "x")
	store.down = true
	require.ErrorIs(t, p.Close(t.Context()), errRefused)
	assert.Empty(t, p.SetAside())
	assert.Empty(t, store.stored(t, "partial-checkpoint/p"))
}
