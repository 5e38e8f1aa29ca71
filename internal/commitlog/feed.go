package commitlog

import (
	"context"
	"sort"
	"sync"

	"haberdash/internal/contract"
)

// A page of the feed ends at about so many bytes, and is read so many commits at a time.
const (
	feedBytes = 2 << 20
	feedAhead = 16
)

// Feed pages through the published events: those from position from on, at most limit. It looks into
// the log itself, so it gives what any process has committed. A page whose Next is beyond its Head is the last.
func (p *Partition[S]) Feed(ctx context.Context, from uint64, limit int) (contract.FeedPage, error) {
	from = max(from, 1)
	page := contract.FeedPage{Events: []contract.Event{}, Next: from, Head: p.Published()}
	n, err := p.holder(ctx, from)
	if err != nil {
		return page, err
	}
	defer func() { p.marks.set(page.Next, n) }()
	for size := 0; ; {
		commits, err := p.beyond(ctx, n)
		if err != nil || len(commits) == 0 {
			return page, err
		}
		for _, c := range commits {
			n, page.Head = c.N, max(page.Head, c.after())
			for _, e := range c.Published(p.service, p.name) {
				switch {
				case e.Position < from:
				case len(page.Events) == limit, size > feedBytes:
					return page, nil
				default:
					page.Events, page.Next = append(page.Events, e), e.Position+1
					size += len(e.Data) + 300
				}
			}
			n++
		}
	}
}

// beyond gives some commits from number n on; past the head it asks the store for one.
func (p *Partition[S]) beyond(ctx context.Context, n uint64) ([]Commit, error) {
	commits, err := p.tail(ctx, n, feedAhead)
	if err != nil || len(commits) > 0 {
		return commits, err
	}
	return p.read(ctx, n, 1)
}

// holder finds the commit to read on from for a position. The last commits are in memory, and who pages on
// is expected; anything else is found by bisection, as each commit says how many events came before it.
// So a consumer's cursor is one number, and an old one costs about twenty reads, once.
func (p *Partition[S]) holder(ctx context.Context, position uint64) (uint64, error) {
	p.mu.RLock()
	head, published, recent := p.head, p.published, p.recent
	p.mu.RUnlock()
	if position > published {
		return head + 1, nil
	}
	low, high := uint64(1), head+1 // low is before the position, high is not
	if len(recent) > 0 {
		// The last of them that begins before the position.
		i := sort.Search(len(recent), func(i int) bool { return recent[i].Before >= position })
		if i > 0 {
			return recent[i-1].N, nil
		}
		high = recent[0].N
	}
	if n, ok := p.marks.get(position); ok {
		return n, nil
	}
	for high-low > 1 {
		middle := low + (high-low)/2
		c, err := p.one(ctx, middle)
		if err != nil {
			return 0, err
		}
		if c.Before < position {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}

// marks remember where pages of the feed ended: position to commit.
type marks struct {
	mu sync.Mutex
	at map[uint64]uint64
}

const maxMarks = 1024

func (m *marks) get(position uint64) (uint64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.at[position]
	return n, ok
}

func (m *marks) set(position, n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at == nil || len(m.at) >= maxMarks {
		m.at = map[uint64]uint64{}
	}
	m.at[position] = n
}
