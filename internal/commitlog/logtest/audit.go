package logtest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/projection"
	"haberdash/internal/contract"
)

// eventCounts is a projection of the number of events of each counter.
func eventCounts(p *commitlog.Partition[Counter]) *projection.Projection {
	return projection.New(p, "counted", projection.Model{
		Keys: func(e commitlog.Event) []string { return []string{e.Aggregate} },
		Apply: func(_ string, doc json.RawMessage, e commitlog.Event) (json.RawMessage, error) {
			n := 0
			if len(doc) > 0 {
				if err := json.Unmarshal(doc, &n); err != nil {
					return nil, err
				}
			}
			return json.Marshal(n + 1)
		},
	})
}

// testAudit audits a log while it is in use, after it, and after its documents were damaged and rebuilt.
func (s suite) testAudit(t *testing.T) {
	ctx, o := t.Context(), commitlog.Options{CheckpointEvery: 5 * time.Millisecond, Patience: 20 * time.Second}
	p := s.open(t, "audit", o)
	view := eventCounts(p)
	work, stop := context.WithCancel(ctx)
	var running, adding sync.WaitGroup
	running.Go(func() { view.Run(work) })
	for w := range 4 {
		adding.Go(func() {
			for i := range 25 {
				assert.NoError(t, add(ctx, p, fmt.Sprint("c", i%7), fmt.Sprint(w, "-", i), 1))
			}
		})
	}
	audit := func() []contract.Difference {
		docs, err := p.Audit(ctx)
		require.NoError(t, err)
		views, err := view.Audit(ctx)
		require.NoError(t, err)
		return append(docs.Differences, views.Differences...)
	}
	for range 3 {
		require.Empty(t, audit())
	}
	adding.Wait()
	require.Empty(t, audit())
	report, err := p.Audit(ctx)
	require.NoError(t, err)
	assert.Len(t, report.Digest, 64)
	want := contract.Audit{
		Log: "audit", Commit: p.Head(), Events: 100, Documents: 7, Digest: report.Digest,
		Differences: []contract.Difference{},
	}
	assert.Equal(t, want, report)

	keys := []string{"doc/audit/c0", "doc/audit/c1", "view/audit/counted/c2", "view/audit/counted/c3"}
	before, err := s.store.GetMany(ctx, keys)
	require.NoError(t, err)
	require.Len(t, before, 4)
	for i, key := range keys {
		if i%2 == 0 {
			require.NoError(t, s.store.Delete(ctx, key, ""))
		} else {
			damaged := strings.Replace(string(before[key].Value), `"v":`, `"v":9`, 1)
			require.NoError(t, s.store.Put(ctx, key, []byte(damaged), ""))
		}
	}
	assert.Equal(t, []contract.Difference{
		{Key: "doc/audit/c0", Kind: "missing"}, {Key: "doc/audit/c1", Kind: "unreadable"},
		{Key: "view/audit/counted/c2", Kind: "missing"}, {Key: "view/audit/counted/c3", Kind: "different"},
	}, audit())
	stop()
	running.Wait()
	require.NoError(t, p.Close(ctx))

	require.NoError(t, commitlog.Rebuild(ctx, s.store, "audit", counters()))
	p = s.open(t, "audit", o)
	view = eventCounts(p)
	require.NoError(t, view.Rebuild(ctx))
	after, err := s.store.GetMany(ctx, keys)
	require.NoError(t, err)
	for _, key := range keys {
		assert.Equal(t, string(before[key].Value), string(after[key].Value), key)
	}
	work, stop = context.WithCancel(ctx)
	running.Go(func() { view.Run(work) })
	require.Empty(t, audit())
	stop()
	running.Wait()
	require.NoError(t, p.Close(ctx))
}
