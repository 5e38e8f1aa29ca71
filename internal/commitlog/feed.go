package commitlog

import (
	"context"
	"sort"
	"sync"

	"haberdash/internal/contract"
)

const (
	// feedBytes is about the size at which a page of the feed ends.
	feedBytes = 2 << 20
	// feedReadAhead is how many commits one read for the feed asks for.
	feedReadAhead = 16
)

// Feed pages through the published events: those from position from on, at most limit. It reads the log itself, so it
// includes what any process has committed. A page whose Next is greater than its Head is the last one.
func (p *Partition[S]) Feed(ctx context.Context, from uint64, limit int) (contract.FeedPage, error) {
	from = max(from, 1)
	page := contract.FeedPage{Events: []contract.Event{}, Next: from, Head: p.Published()}
	n, err := p.commitOfPosition(ctx, from)
	if err != nil {
		return page, err
	}
	defer func() { p.feedPages.remember(page.Next, n) }()
	for size := 0; ; {
		commits, err := p.readPastHead(ctx, n)
		if err != nil || len(commits) == 0 {
			return page, err
		}
		for _, c := range commits {
			n, page.Head = c.N, max(page.Head, c.publishedUpTo())
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

// readPastHead returns some commits from number n on. If n is after the head, it asks the store for one.
func (p *Partition[S]) readPastHead(ctx context.Context, n uint64) ([]Commit, error) {
	commits, err := p.readUpToHead(ctx, n, feedReadAhead)
	if err != nil || len(commits) > 0 {
		return commits, err
	}
	return p.readCommits(ctx, n, 1)
}

// commitOfPosition finds the commit from which to read for a position: the one that has the event, or an earlier one.
// The last commits are in memory, and the ends of pages are remembered for the next page. Any other position is found
// by bisection, because each commit says how many events were published before it. So a consumer need only store one
// number, and an old one costs about twenty reads, once.
func (p *Partition[S]) commitOfPosition(ctx context.Context, position uint64) (uint64, error) {
	p.mu.RLock()
	head, published, recent := p.head, p.published, p.recent
	p.mu.RUnlock()
	if position > published {
		return head + 1, nil
	}
	low, high := uint64(1), head+1 // commit low begins before the position, commit high does not
	if len(recent) > 0 {
		// The last of the recent commits that begins before the position.
		i := sort.Search(len(recent), func(i int) bool { return recent[i].Before >= position })
		if i > 0 {
			return recent[i-1].N, nil
		}
		high = recent[0].N
	}
	if n, ok := p.feedPages.commit(position); ok {
		return n, nil
	}
	for high-low > 1 {
		middle := low + (high-low)/2
		c, err := p.readCommit(ctx, middle)
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

// feedPages remembers where pages of the feed ended: the commit to read for the next position.
type feedPages struct {
	mu      sync.Mutex
	commits map[uint64]uint64 // by position
}

// maxFeedPages bounds the memory. When it is reached, all pages are forgotten.
const maxFeedPages = 1024

func (f *feedPages) commit(position uint64) (n uint64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok = f.commits[position]
	return n, ok
}

func (f *feedPages) remember(position, commit uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.commits == nil || len(f.commits) >= maxFeedPages {
		f.commits = map[uint64]uint64{}
	}
	f.commits[position] = commit
}
