package commitlog

import "context"

// Mark is a place in an aggregate's history: what is before an event. The zero Mark is the history's end.
type Mark struct {
	Seq    uint64 `json:"s"`
	Commit uint64 `json:"n"` // of the event
}

// Mark is the place before an event that History gave.
func (e Event) Mark() Mark { return Mark{e.Seq, e.commit} }

// History lists an aggregate's events, newest first: those before sequence number before (0: all), at most
// limit. It follows each event's Prev, one read a commit, from the latest event on: see HistoryBefore.
func (p *Partition[S]) History(ctx context.Context, id string, before uint64, limit int) ([]Event, error) {
	return p.HistoryBefore(ctx, id, Mark{Seq: before}, limit)
}

// HistoryBefore is History from a place on, however deep: it reads a commit for each event of the page.
func (p *Partition[S]) HistoryBefore(ctx context.Context, id string, at Mark, limit int) ([]Event, error) {
	n := at.Commit
	if n == 0 || n > p.Head() {
		_, err := p.Do(ctx, []string{id}, func(tx *Tx[S]) error {
			n = 0
			if a := tx.look(id); a != nil {
				n = a.commit
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var events []Event
	for n > 0 && len(events) < limit {
		c, err := p.one(ctx, n)
		if err != nil {
			return nil, err
		}
		prev := uint64(0)
		for i := len(c.Events) - 1; i >= 0; i-- {
			e := c.Events[i]
			if e.Aggregate != id {
				continue
			}
			if (at.Seq == 0 || e.Seq < at.Seq) && len(events) < limit {
				e.commit = n
				events = append(events, e)
			}
			prev = e.Prev
		}
		n = prev
	}
	return events, nil
}
