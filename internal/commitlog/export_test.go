package commitlog_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/transfer"
)

// importInto imports into a store what a source exports, and returns the keys.
func importInto(t *testing.T, to *memory.State, source transfer.Source) (keys []string) {
	t.Helper()
	require.NoError(t, source(t.Context(), func(item sidecar.Item) error {
		keys = append(keys, item.Key)
		return transfer.Import(t.Context(), to, []sidecar.Item{item})
	}))
	return keys
}

// recorder is a publisher that records the ids of events.
type recorder struct{ ids []string }

func (r *recorder) Publish(_ context.Context, _ string, messages []sidecar.Message) error {
	for _, m := range messages {
		r.ids = append(r.ids, m.ID)
	}
	return nil
}

// publish publishes a log until its publisher's cursor is at the end.
func publish[S any](t *testing.T, p *commitlog.Partition[S], to sidecar.Publisher) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Publish(ctx, to, "topic")
	}()
	require.Eventually(t, func() bool {
		at, err := p.Cursor(ctx, "publisher-topic")
		return err == nil && at == p.Head()
	}, 10*time.Second, 5*time.Millisecond)
	stop()
	<-done
}

func TestImportedLogHasTheSameDocumentsAndFeedAndPublishesOnlyNewEvents(t *testing.T) {
	t.Parallel()
	ctx, oldStore, newStore := t.Context(), memory.NewState(), memory.NewState()
	open := func(store sidecar.State) *commitlog.Partition[ledger] {
		o := commitlog.Options{Rebuild: store == newStore}
		p, err := commitlog.Open(ctx, store, "test", "p", ledgerModel(), o)
		require.NoError(t, err)
		t.Cleanup(func() { _ = p.Close(context.Background()) })
		return p
	}
	add := func(p *commitlog.Partition[ledger], n int) {
		_, err := p.Do(ctx, []string{fmt.Sprint("a", n%7)}, func(tx *commitlog.Tx[ledger]) error {
			tx.Emit(fmt.Sprint("a", n%7), "added", map[string]any{"K": fmt.Sprint("<", n, ">"), "N": 1})
			return nil
		})
		require.NoError(t, err)
	}
	exported := open(oldStore)
	for n := range 150 { // more commits than two reads of the log return
		add(exported, n)
	}
	first, second := &recorder{}, &recorder{}
	publish(t, exported, first)
	require.Len(t, first.ids, 150)

	keys := importInto(t, newStore, func(ctx context.Context, put func(sidecar.Item) error) error {
		return exported.Export(ctx, "topic", put)
	})
	require.Len(t, keys, 151)
	require.Equal(t, []string{"cursor/p/publisher-topic", "log/p/1"}, keys[:2], "a cursor is never ahead of its log")
	want, err := oldStore.GetMany(ctx, keys)
	require.NoError(t, err)
	got, err := newStore.GetMany(ctx, keys)
	require.NoError(t, err)
	for _, key := range keys {
		require.Equal(t, string(want[key].Value), string(got[key].Value))
	}

	imported := open(newStore)
	before, err := exported.Audit(ctx)
	require.NoError(t, err)
	after, err := imported.Audit(ctx)
	require.NoError(t, err)
	require.Equal(t, before, after)
	feed, err := exported.Feed(ctx, 3, 1000)
	require.NoError(t, err)
	page, err := imported.Feed(ctx, 3, 1000)
	require.NoError(t, err)
	require.Equal(t, feed, page)
	add(imported, 150)
	publish(t, imported, second)
	require.Equal(t, []string{contract.EventID("test", "p", 151, 0)}, second.ids)
}

func TestDamagedLogIsNotExported(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	p, err := commitlog.Open(t.Context(), store, "test", "p", ledgerModel(), commitlog.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	_, err = p.Do(t.Context(), []string{"a"}, func(tx *commitlog.Tx[ledger]) error {
		tx.Emit("a", "added", map[string]any{"K": "k", "N": 1})
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, store.Put(t.Context(), "log/p/1", []byte("["), ""))
	require.ErrorIs(t, p.Export(t.Context(), "topic", func(sidecar.Item) error { return nil }), commitlog.ErrCorrupt)
}
