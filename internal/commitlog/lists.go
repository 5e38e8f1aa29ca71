package commitlog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// listPrefix begins the ids of aggregates that are lists: they have no state, each event is an entry.
const listPrefix = "list/"

// pageSize is how many entries a page of a list has.
const pageSize = 64

// ListID is the aggregate of a list: its entries are added with Tx.Note.
func ListID(list string) string { return listPrefix + list }

// ListEntry is one entry of a list.
type ListEntry struct {
	Seq  uint64          `json:"s"` // within the list: 1, 2, 3 …
	At   time.Time       `json:"at"`
	Data json.RawMessage `json:"d"`
}

// Lists are the lists of a log (see ListID) as pages, so that any stretch of a list of any length is read with
// one read of two documents.
type Lists[S any] struct {
	log   *Partition[S]
	pages *Projection
}

// NewLists makes the lists of a log; Run them then.
func NewLists[S any](p *Partition[S]) *Lists[S] {
	return &Lists[S]{p, NewProjection(p, "lists", ProjectionModel{Keys: pageOf, Apply: addToPage})}
}

// Run keeps the pages behind the log, as Projection.Run does.
func (l *Lists[S]) Run(ctx context.Context) { l.pages.Run(ctx) }

// Projection is what the pages are kept with.
func (l *Lists[S]) Projection() *Projection { return l.pages }

func pageKey(list string, seq uint64) string {
	return list + "/" + strconv.FormatUint((seq-1)/pageSize, 10)
}

func pageOf(e Event) []string {
	list, is := strings.CutPrefix(e.Aggregate, listPrefix)
	if !is {
		return nil
	}
	return []string{pageKey(list, e.Seq)}
}

// addToPage puts an entry in front of the bracket that ends a page: to read and write a whole page for each entry
// was half of what orders did.
func addToPage(_ string, doc json.RawMessage, e Event) (json.RawMessage, error) {
	entry, err := json.Marshal(ListEntry{e.Seq, e.At, e.Data})
	if err != nil {
		return nil, err
	}
	if doc == nil {
		return slices.Concat([]byte("["), entry, []byte("]")), nil
	}
	if len(doc) < 2 || doc[len(doc)-1] != ']' {
		return nil, fmt.Errorf("%w: a page of a list that is no list", ErrCorrupt)
	}
	return slices.Concat(doc[:len(doc)-1], []byte(","), entry, []byte("]")), nil
}

// Read lists entries, newest first: those before entry number before (0: all), at most limit (at most 64). What
// this process has committed is there.
func (l *Lists[S]) Read(ctx context.Context, list string, before uint64, limit int) ([]ListEntry, error) {
	var length, commit uint64
	_, err := l.log.Do(ctx, []string{ListID(list)}, func(tx *Tx[S]) error {
		length, commit = 0, 0
		if a := tx.look(ListID(list)); a != nil {
			length, commit = a.seq, a.commit
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if before == 0 || before > length {
		before = length + 1
	}
	if before <= 1 || limit < 1 {
		return nil, nil
	}
	if err := l.pages.Wait(ctx, commit); err != nil {
		return nil, fmt.Errorf("%w: wait for the list %s: %w", ErrUnknown, list, err)
	}
	last := before - 1
	first := uint64(max(1, int64(last)-int64(min(limit, pageSize))+1))
	docs, err := l.pages.Get(ctx, pageKey(list, first), pageKey(list, last))
	if err != nil {
		return nil, err
	}
	var entries []ListEntry
	for seq := last; seq >= first; {
		var page []ListEntry
		if err := json.Unmarshal(docs[pageKey(list, seq)], &page); err != nil {
			return nil, fmt.Errorf("%w: page %s: %w", ErrCorrupt, pageKey(list, seq), err)
		}
		start := (seq-1)/pageSize*pageSize + 1
		for ; seq >= first && seq >= start; seq-- {
			if i := seq - start; i < uint64(len(page)) && page[i].Seq == seq {
				entries = append(entries, page[i])
				continue
			}
			return nil, fmt.Errorf("%w: page %s lacks entry %d", ErrCorrupt, pageKey(list, seq), seq)
		}
	}
	return entries, nil
}
