package commitlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"haberdash/internal/sidecar"
)

// Upcaster brings the data of an event from one version of its shape to the next. It is pure.
type Upcaster func(data json.RawMessage) (json.RawMessage, error)

// Upcasters are the past of a log's events: of each type whose shape has changed, one for each change, oldest first.
// Events are written in the latest version and stay as they were written; a reader lifts them, so nothing else in a
// service, nor any consumer, knows an old shape.
type Upcasters map[string][]Upcaster

// current is the version that events of a type are written in, as Event.Version has it.
func (u Upcasters) current(eventType string) int {
	if n := len(u[eventType]); n > 0 {
		return n + 1
	}
	return 0
}

func (u Upcasters) lift(e *Event) error {
	steps, at := u[e.Type], max(e.Version, 1)
	if at > len(steps)+1 {
		return fmt.Errorf("%w: %s %d of %s has version %d", ErrNewer, e.Type, e.Seq, e.Aggregate, at)
	}
	for _, step := range steps[at-1:] {
		data, err := step(e.Data)
		if err != nil {
			return fmt.Errorf("%w: lift %s %d of %s from version %d: %w", ErrCorrupt, e.Type, e.Seq, e.Aggregate, at, err)
		}
		e.Data, at = data, at+1
	}
	e.Version = u.current(e.Type)
	return nil
}

// versioned names documents of a version of their shape. Each version has documents of its own, so that an old and a
// new release work side by side, and the old one finds its own again after a rollback.
func versioned(name string, version int) string {
	if version <= 1 {
		return name
	}
	return name + ".v" + strconv.Itoa(version)
}

// Ready fails while the log has events that this process does not understand.
func (p *Partition[S]) Ready(context.Context) error {
	if p.newer.Load() {
		return ErrNewer
	}
	return nil
}

// renew writes the documents of a new version from the log, once. Others may work on them meanwhile.
func (p *Partition[S]) renew(ctx context.Context) error {
	if p.model.Version <= 1 || p.opts.Resident {
		return nil
	}
	key := checkpointKey(p.documentsName())
	if done, err := p.store.Get(ctx, key); err != nil || done.Found() {
		return err
	}
	end, err := rebuild(ctx, p.store, p.name, p.model.Upcasters, held, putNewer, func() refold { return newAggregateFold(p.name, p.model) })
	if err != nil || end.N == 0 {
		return err
	}
	now, err := json.Marshal(checkpoint{end.N, end.after()})
	if err == nil {
		err = p.store.Create(ctx, key, now)
	}
	if errors.Is(err, sidecar.ErrExists) {
		return nil // another replica's, which is further on
	}
	return err
}

// Open writes the documents of a new version of the projection from the log, once; before Run, so that nobody reads
// half of them. Other replicas may work on them meanwhile.
func (v *Projection) Open(ctx context.Context) error {
	if v.model.Version <= 1 {
		return nil
	}
	at, err := v.log.Cursor(ctx, v.follower())
	if err != nil || at > 0 {
		return err
	}
	end, err := rebuild(ctx, v.store, v.log.Name(), v.log.upcasters(), held, putNewer, func() refold { return &viewFold{v, map[string]*viewDoc{}} })
	if err != nil || end.N == 0 {
		return err
	}
	return putJSON(ctx, v.store, cursorKey(v.log.Name(), v.follower()), cursor{end.N}) // a lower one than another replica's repeats
}

// putNewer writes documents but for those that are there already and include as much of the log.
func putNewer(ctx context.Context, store sidecar.State, items []sidecar.Item) error {
	for some := range slices.Chunk(items, readAhead) {
		for {
			err := putNewerOf(ctx, store, some)
			if err == nil {
				break
			}
			if !errors.Is(err, sidecar.ErrStale) && !errors.Is(err, sidecar.ErrExists) {
				return err
			}
		}
	}
	return nil
}

func putNewerOf(ctx context.Context, store sidecar.State, items []sidecar.Item) error {
	ours := make(map[string]sidecar.Item, len(items))
	for _, item := range items {
		ours[item.Key] = item
	}
	stored, err := store.GetMany(ctx, slices.Sorted(maps.Keys(ours)))
	if err != nil {
		return err
	}
	for key, item := range ours {
		if there := stored[key]; there.Found() {
			if place(there.Value).compare(place(item.Value)) >= 0 {
				delete(ours, key)
				continue
			}
			item.ETag = there.ETag
			ours[key] = item
		}
	}
	if len(ours) == 0 {
		return nil
	}
	return store.PutManyIf(ctx, slices.Collect(maps.Values(ours)))
}

// includes is how much of the log a document says to include, whichever kind it is.
type includes struct {
	Commit uint64 `json:"n"`
	Index  int    `json:"i"`
}

func place(document []byte) includes {
	var at includes
	_ = json.Unmarshal(document, &at) // an unreadable one includes nothing
	return at
}

func (a includes) compare(b includes) int {
	if a.Commit != b.Commit {
		if a.Commit < b.Commit {
			return -1
		}
		return 1
	}
	return a.Index - b.Index
}
