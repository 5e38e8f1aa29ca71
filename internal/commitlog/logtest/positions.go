package logtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
)

// positions has writers in contention publish some of their events, over two lives of the log, and asks
// every reader for the numbers.
func (s suite) positions(t *testing.T) {
	const name, lives, writers, each = "positions", 2, 3, 15
	for life := range lives {
		var wg sync.WaitGroup
		for w := range writers {
			p := s.start(t, name, commitlog.Options{Patience: 20 * time.Second, CheckpointEvery: 5 * time.Millisecond})
			wg.Go(func() {
				for i := range each {
					id := fmt.Sprint("c", i%4)
					_, err := p.Do(t.Context(), []string{id}, func(tx *commitlog.Tx[Counter]) error {
						tx.Note(id, "noted", added{})
						for range (life + w + i) % 3 {
							tx.Emit(id, "added", added{N: 1})
							tx.Note(id, "noted", added{})
						}
						return nil
					})
					assert.NoError(t, err)
				}
				assert.NoError(t, p.Close(t.Context()))
			})
		}
		wg.Wait()
	}
	for _, resident := range []bool{false, true} {
		p := s.start(t, name, commitlog.Options{Resident: resident})
		defer p.Close(t.Context())
		want := uint64(0)
		for from := uint64(1); ; {
			events, next, err := p.Feed(t.Context(), from, 7)
			require.NoError(t, err)
			for _, e := range events {
				want++
				assert.Equal(t, want, e.Position)
				assert.Equal(t, "added", e.Type)
			}
			if next == from {
				break
			}
			from = next
		}
		assert.Equal(t, want, p.Published())
		assert.Equal(t, uint64(lives*writers*each), want, "each writer's events, 0 to 2 a command")
	}
}
