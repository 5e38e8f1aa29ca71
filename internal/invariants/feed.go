package invariants

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"

	"haberdash/internal/contract"
)

// Feed checks the sequence of the events of one log.
type Feed struct {
	Source, Partition string
	Position          uint64 // of the last event

	commit uint64 // of the last event
	index  int
}

// Apply checks the event that follows the last one: positions have no gap, and no event comes twice.
func (f *Feed) Apply(e contract.Event) []Violation {
	v := &found{invariant: EveryEvent}
	if e.Position <= f.Position {
		v.add("the feed of %s has position %d after %d", f.Partition, e.Position, f.Position)
		return v.list
	}
	if e.Source != f.Source || e.Partition != f.Partition {
		v.add("the feed of %s has the event %s of the log %s of %s", f.Partition, e.ID, e.Partition, e.Source)
	}
	if e.Position != f.Position+1 {
		v.add("the feed of %s has position %d after %d", f.Partition, e.Position, f.Position)
	}
	if e.Commit < f.commit || e.Commit == f.commit && f.commit > 0 && e.Index <= f.index {
		v.add("the feed of %s has the event %s after event %d of commit %d", f.Partition, e.ID, f.index, f.commit)
	}
	if want := contract.EventID(e.Source, e.Partition, e.Commit, e.Index); e.ID != want {
		v.add("the feed of %s has an event %s whose place is %s", f.Partition, e.ID, want)
	}
	f.Position, f.commit, f.index = e.Position, e.Commit, e.Index
	return v.list
}

// CheckHead checks that a log does not end before the last event that was read of it.
func (f *Feed) CheckHead(head uint64) []Violation {
	v := &found{invariant: NothingLost}
	if head < f.Position {
		v.add("the feed of %s ends at position %d, it had an event at %d", f.Partition, head, f.Position)
	}
	return v.list
}

// sampleSize is how many events of a log a Sample remembers: 16 bytes each.
const sampleSize = 1024

// Sample remembers some events of a log, each with the same probability, to compare them with what the log has later.
// It remembers digests, not the events.
type Sample struct {
	Partition string
	seen      uint64
	events    []sampled
}

type sampled struct{ position, digest uint64 }

// Add considers an event for the sample.
func (s *Sample) Add(e contract.Event) {
	s.seen++
	kept := sampled{e.Position, digestOf(e)}
	if len(s.events) < sampleSize {
		s.events = append(s.events, kept)
	} else if i := rand.Uint64N(s.seen); i < sampleSize {
		s.events[i] = kept
	}
}

// Draw returns the position of one event of the sample; 0 if it is empty.
func (s *Sample) Draw() uint64 {
	if len(s.events) == 0 {
		return 0
	}
	return s.events[rand.IntN(len(s.events))].position
}

// Check compares what the log has at a position of the sample with what it had before.
func (s *Sample) Check(position uint64, now []contract.Event) []Violation {
	v := &found{invariant: NothingLost}
	for _, kept := range s.events {
		if kept.position != position {
			continue
		}
		switch {
		case len(now) == 0 || now[0].Position != position:
			v.add("the feed of %s has no event at position %d any more", s.Partition, position)
		case digestOf(now[0]) != kept.digest:
			v.add("the feed of %s has another event at position %d than before", s.Partition, position)
		}
		break
	}
	return v.list
}

func digestOf(e contract.Event) uint64 {
	return digest(0, e.ID, e.Type, e.Aggregate, e.At.UTC().String(), string(e.Data)) ^ e.Seq
}

// digest continues a digest with texts.
func digest(before uint64, texts ...string) uint64 {
	h := fnv.New64a()
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], before)
	h.Write(n[:])
	for _, text := range texts {
		h.Write([]byte(text))
		h.Write([]byte{0})
	}
	return h.Sum64()
}
