// Package logtest has the conformance suite of internal/commitlog and its projections, which is run with every state
// store that a service may use, and Releases, which tests that a model still reads the logs of earlier releases.
package logtest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar"
)

// Test runs the suite. open returns a store; the logs of two runs may not share one.
func Test(t *testing.T, open func(t *testing.T) sidecar.State) {
	s := suite{open(t)}
	for name, test := range map[string]func(*testing.T){
		"events survive a restart, with and without documents":                    s.testRestart,
		"a refused command changes nothing":                                       s.testRefusedCommand,
		"contending writers sell everything once and lose nothing":                s.testContention,
		"commands that wait at the same time share a commit":                      s.testGroupCommit,
		"history is read backwards in pages":                                      s.testHistory,
		"preloaded aggregates are never older than the log":                       s.testPreload,
		"a process that is behind reads what another has acknowledged":            s.testReadsAtTheEnd,
		"events are published in order, and after a restart from the cursor":      s.testPublish,
		"published events are numbered without a gap":                             s.testPositions,
		"the feed returns every event by its position, also of another process":   s.testFeed,
		"every replica reads a list in pages, with the entries just committed":    s.testLists,
		"an audit reports every lost or damaged document, and a rebuild heals it": s.testAudit,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

type suite struct{ store sidecar.State }

// open opens a partition of counters. The caller closes it.
func (s suite) open(t *testing.T, name string, o commitlog.Options) *commitlog.Partition[Counter] {
	t.Helper()
	p, err := commitlog.Open(context.Background(), s.store, "test", name, counters(), o)
	require.NoError(t, err)
	return p
}

// Counter is the aggregate of the suite: a sum that must not become negative.
type Counter struct {
	Sum  int64    `json:"sum"`
	Keys []string `json:"keys,omitempty"` // of the commands that changed it
}

type added struct {
	Key string `json:"k"`
	N   int64  `json:"n"`
}

func counters() commitlog.Model[Counter] {
	return commitlog.Model[Counter]{Apply: func(_ string, s Counter, e commitlog.Event) (Counter, error) {
		var a added
		if err := e.Decode(&a); err != nil {
			return s, err
		}
		s.Sum += a.N
		s.Keys = append(s.Keys[:len(s.Keys):len(s.Keys)], a.Key)
		return s, nil
	}}
}

var errNegative = errors.New("the sum would be negative")

// add adds n to a counter, at most once for each key, and refuses to make the sum negative.
func add(ctx context.Context, p *commitlog.Partition[Counter], id, key string, n int64) error {
	_, err := p.Do(ctx, []string{id}, func(tx *commitlog.Tx[Counter]) error {
		s, _ := tx.State(id)
		if slices.Contains(s.Keys, key) {
			return nil
		}
		if s.Sum+n < 0 {
			return errNegative
		}
		tx.Emit(id, "added", added{key, n})
		return nil
	})
	return err
}
