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

// moved takes what a source exports into a store of its own, as an import does.
func moved(t *testing.T, to *memory.State, source transfer.Source) (keys []string) {
	t.Helper()
	require.NoError(t, source(t.Context(), func(item sidecar.Item) error {
		keys = append(keys, item.Key)
		return transfer.Import(t.Context(), to, []sidecar.Item{item})
	}))
	return keys
}

// sent remembers what was published.
type sent struct{ ids []string }

func (s *sent) Publish(_ context.Context, _ string, messages []sidecar.Message) error {
	for _, m := range messages {
		s.ids = append(s.ids, m.ID)
	}
	return nil
}

// publish has the log published until its publisher's cursor has reached its end.
func publish(t *testing.T, p *commitlog.Partition[ledger], to sidecar.Publisher) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Publish(ctx, to, "topic") }()
	require.Eventually(t, func() bool {
		at, err := p.Cursor(ctx, "publisher-topic")
		return err == nil && at == p.Head()
	}, 10*time.Second, 5*time.Millisecond)
	stop()
	<-done
}

// A log that was moved makes the same documents, gives the same feed, and publishes only what is new.
func TestAMovedLogIsTheSameLog(t *testing.T) {
	t.Parallel()
	ctx, here, there := t.Context(), memory.NewState(), memory.NewState()
	open := func(store sidecar.State) *commitlog.Partition[ledger] {
		p, err := commitlog.Open(ctx, store, "test", "p", ledgerModel(), commitlog.Options{Rebuild: store == there})
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
	was := open(here)
	for n := range 150 { // more than two reads of the log
		add(was, n)
	}
	first, second := &sent{}, &sent{}
	publish(t, was, first)
	require.Len(t, first.ids, 150)

	keys := moved(t, there, func(ctx context.Context, put func(sidecar.Item) error) error { return was.Export(ctx, "topic", put) })
	require.Len(t, keys, 151)
	require.Equal(t, []string{"cursor/p/publisher-topic", "log/p/1"}, keys[:2], "a cursor is never beyond its log")
	want, err := here.GetMany(ctx, keys)
	require.NoError(t, err)
	got, err := there.GetMany(ctx, keys)
	require.NoError(t, err)
	for _, key := range keys {
		require.Equal(t, string(want[key].Value), string(got[key].Value))
	}

	is := open(there)
	before, err := was.Audit(ctx)
	require.NoError(t, err)
	after, err := is.Audit(ctx)
	require.NoError(t, err)
	require.Equal(t, before, after)
	feed, err := was.Feed(ctx, 3, 1000)
	require.NoError(t, err)
	page, err := is.Feed(ctx, 3, 1000)
	require.NoError(t, err)
	require.Equal(t, feed, page)
	add(is, 150)
	publish(t, is, second)
	require.Equal(t, []string{contract.EventID("test", "p", 151, 0)}, second.ids)
}

func TestALogThatIsSpoiltIsNotMoved(t *testing.T) {
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
