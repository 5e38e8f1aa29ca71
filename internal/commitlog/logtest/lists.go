package logtest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/projection"
)

// replica is a process that has the log open and runs its lists.
type replica struct {
	log   *commitlog.Partition[Counter]
	lists *projection.Lists[Counter]
	close func()
}

func (s suite) openReplica(t *testing.T, name string) replica {
	p := s.open(t, name, commitlog.Options{
		Patience: 20 * time.Second, CheckpointEvery: 5 * time.Millisecond, SyncEvery: 20 * time.Millisecond,
	})
	r := replica{log: p, lists: projection.NewLists(p)}
	running, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { r.lists.Run(running) })
	r.close = func() {
		stop()
		done.Wait()
		assert.NoError(t, p.Close(context.Background()))
	}
	return r
}

// add adds entries with the keys from … to to a list.
func (r replica) add(t *testing.T, list string, from, to int) {
	for i := from; i <= to; i++ {
		_, err := r.log.Do(t.Context(), []string{projection.ListID(list)}, func(tx *commitlog.Tx[Counter]) error {
			tx.EmitInternal(projection.ListID(list), "listed", added{Key: fmt.Sprint(i)})
			return nil
		})
		require.NoError(t, err)
	}
}

// requireEntries reads a list in pages of several sizes and expects the entries from its length down to 1.
func (r replica) requireEntries(t *testing.T, list string, length int) {
	for _, limit := range []int{1, 7, 64, 100} {
		var seqs []uint64
		for before := uint64(0); before != 1; {
			page, err := r.lists.Read(t.Context(), list, before, limit)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				assert.JSONEq(t, fmt.Sprintf(`{"k":%q,"n":0}`, strconv.FormatUint(e.Seq, 10)), string(e.Data))
				seqs = append(seqs, e.Seq)
			}
			before = page[len(page)-1].Seq
		}
		require.Len(t, seqs, length, "in pages of %d", limit)
		for i, seq := range seqs {
			require.Equal(t, uint64(length-i), seq)
		}
		if length > 100 {
			return // one size is enough for a long list
		}
	}
}

func (s suite) testLists(t *testing.T) {
	a := s.openReplica(t, "lists")
	a.requireEntries(t, "none", 0)
	a.add(t, "short", 1, 1)
	a.requireEntries(t, "short", 1)
	a.add(t, "long", 1, 64)
	a.requireEntries(t, "long", 64)
	b := s.openReplica(t, "lists") // both write the pages
	a.add(t, "long", 65, 70)
	a.requireEntries(t, "long", 70)
	b.add(t, "long", 71, 150)
	b.requireEntries(t, "long", 150)
	a.close()
	b.close()
	c := s.openReplica(t, "lists")
	defer c.close()
	c.requireEntries(t, "long", 150)
	c.requireEntries(t, "short", 1)
}
