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
	"haberdash/internal/contract"
)

// counted is a projection: how many events each counter has.
func counted(p *commitlog.Partition[Counter]) *commitlog.Projection {
	return commitlog.NewProjection(p, "counted", commitlog.ProjectionModel{
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

// audits: while the log is in use nothing is reported; what is lost or spoilt is; a rebuild makes it good.
func (s suite) audits(t *testing.T) {
	ctx, o := t.Context(), commitlog.Options{CheckpointEvery: 5 * time.Millisecond, Patience: 20 * time.Second}
	p := s.start(t, "audit", o)
	view := counted(p)
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
	assert.Equal(t, contract.Audit{Log: "audit", Commit: p.Head(), Events: 100, Documents: 7, Digest: report.Digest, Differences: []contract.Difference{}}, report)

	keys := []string{"doc/audit/c0", "doc/audit/c1", "view/audit/counted/c2", "view/audit/counted/c3"}
	before, err := s.store.GetMany(ctx, keys)
	require.NoError(t, err)
	require.Len(t, before, 4)
	for i, key := range keys {
		if i%2 == 0 {
			require.NoError(t, s.store.Delete(ctx, key, ""))
		} else {
			require.NoError(t, s.store.Put(ctx, key, []byte(strings.Replace(string(before[key].Value), `"v":`, `"v":9`, 1)), ""))
		}
	}
	assert.Equal(t, []contract.Difference{
		{Key: "doc/audit/c0", Kind: "missing"}, {Key: "doc/audit/c1", Kind: "unreadable"},
		{Key: "view/audit/counted/c2", Kind: "missing"}, {Key: "view/audit/counted/c3", Kind: "different"},
	}, audit())
	stop()
	running.Wait()
	require.NoError(t, p.Close(ctx))

	require.NoError(t, commitlog.Rebuild(ctx, s.store, "audit", model()))
	p = s.start(t, "audit", o)
	view = counted(p)
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
