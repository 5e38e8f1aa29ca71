package consumer

import (
	"context"
	"slices"

	"haberdash/internal/telemetry"
)

// reader returns the reader of a log. The first time, it creates the reader and adds the log to the stored list, so
// that the consumer polls the log after a restart too.
func (c *Consumer) reader(ctx context.Context, log Log) *logReader {
	c.mu.Lock()
	r := c.readers[log]
	if r == nil {
		r = newLogReader(c, log)
		c.readers[log] = r
	}
	c.mu.Unlock()
	r.mu.Lock()
	listed := r.listed
	r.mu.Unlock()
	if listed {
		return r
	}
	if err := c.store.AddLog(ctx, log); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot add a log to the list of logs, will try again")
		return r
	}
	r.setListed()
	return r
}

func (r *logReader) setListed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listed = true
}

func (r *logReader) setFollowed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followed = true
}

// allReaders returns the readers of all logs, including those that were discovered before a restart, sorted by log.
func (c *Consumer) allReaders(ctx context.Context) ([]*logReader, error) {
	listed, err := c.store.Logs(ctx)
	c.addListed(listed)
	return c.openReaders(), err
}

// openReaders returns the readers that this process has created, sorted by log.
func (c *Consumer) openReaders() []*logReader {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*logReader
	for _, r := range c.readers {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *logReader) int { return a.log.Compare(b.log) })
	return all
}
