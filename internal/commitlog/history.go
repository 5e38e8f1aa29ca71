package commitlog

import "context"

// Mark is a position in the history of an aggregate, before one of its events. The zero Mark is the end of the history.
type Mark struct {
	Seq    uint64 `json:"s"` // of the event
	Commit uint64 `json:"n"` // of the event
}

// Mark is the position before an event that History has returned.
func (e Event) Mark() Mark { return Mark{e.Seq, e.commit} }

// History lists events of an aggregate, newest first: those before sequence number before (0: all), at most limit. It
// starts at the last event and reads one commit for each commit of the aggregate; HistoryBefore starts further back.
func (p *Partition[S]) History(ctx context.Context, id string, before uint64, limit int) ([]Event, error) {
	return p.HistoryBefore(ctx, id, Mark{Seq: before}, limit)
}

// HistoryBefore lists the events before a position, newest first and at most limit. However far back the position is,
// it reads only the commits of these events.
func (p *Partition[S]) HistoryBefore(ctx context.Context, id string, before Mark, limit int) ([]Event, error) {
	n := before.Commit
	if n == 0 || n > p.Head() {
		_, err := p.Do(ctx, []string{id}, func(tx *Tx[S]) error {
			_, n = tx.Last(id)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var events []Event
	for n > 0 && len(events) < limit {
		c, err := p.readCommit(ctx, n)
		if err != nil {
			return nil, err
		}
		previous := uint64(0) // the commit before c that has events of the aggregate
		for i := len(c.Events) - 1; i >= 0; i-- {
			e := c.Events[i]
			if e.Aggregate != id {
				continue
			}
			if (before.Seq == 0 || e.Seq < before.Seq) && len(events) < limit {
				e.commit = n
				events = append(events, e)
			}
			previous = e.Prev
		}
		n = previous
	}
	return events, nil
}
