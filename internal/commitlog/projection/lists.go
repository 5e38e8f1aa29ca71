package projection

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"haberdash/internal/commitlog"
)

// listPrefix begins the ids of aggregates that are lists. They have no state; each of their events is an entry.
const listPrefix = "list/"

// pageSize is how many entries a page of a list has.
const pageSize = 64

// ListID is the id of the aggregate of a list. Entries are added to it with commitlog.Tx.EmitInternal.
func ListID(list string) string { return listPrefix + list }

// ListEntry is one entry of a list.
type ListEntry struct {
	Seq  uint64          `json:"s"` // within the list: 1, 2, 3 …
	At   time.Time       `json:"at"`
	Data json.RawMessage `json:"d"`
}

// Lists are the lists of a log, stored as pages. See ListID.
type Lists[S any] struct {
	log   *commitlog.Partition[S]
	pages *Projection
}

// NewLists returns the lists of a log. Run is called next.
func NewLists[S any](log *commitlog.Partition[S]) *Lists[S] {
	return &Lists[S]{log, New(log, "lists", Model{Keys: pageOf, Apply: addToPage})}
}

// Run writes the pages until ctx ends or the partition closes: see Projection.Run.
func (l *Lists[S]) Run(ctx context.Context) { l.pages.Run(ctx) }

// Projection is the projection whose documents are the pages.
func (l *Lists[S]) Projection() *Projection { return l.pages }

func pageKey(list string, seq uint64) string {
	return list + "/" + strconv.FormatUint((seq-1)/pageSize, 10)
}

func pageOf(e commitlog.Event) []string {
	list, ok := strings.CutPrefix(e.Aggregate, listPrefix)
	if !ok {
		return nil
	}
	return []string{pageKey(list, e.Seq)}
}

// addToPage inserts an entry before the bracket that ends the page. Decoding and encoding a whole page for each entry
// was half of the work of the orders service.
func addToPage(_ string, page json.RawMessage, e commitlog.Event) (json.RawMessage, error) {
	entry, err := json.Marshal(ListEntry{e.Seq, e.At, e.Data})
	if err != nil {
		return nil, err
	}
	if page == nil {
		return slices.Concat([]byte("["), entry, []byte("]")), nil
	}
	if len(page) < 2 || page[len(page)-1] != ']' {
		return nil, fmt.Errorf("%w: the page is not a JSON array", commitlog.ErrCorrupt)
	}
	return slices.Concat(page[:len(page)-1], []byte(","), entry, []byte("]")), nil
}

// Read lists entries, newest first: those before entry number before (0: all), at most limit, and at most 64. The
// answer includes everything that any process had committed before the call.
func (l *Lists[S]) Read(ctx context.Context, list string, before uint64, limit int) ([]ListEntry, error) {
	var length, commit uint64
	_, err := l.log.Do(ctx, []string{ListID(list)}, func(tx *commitlog.Tx[S]) error {
		length, commit = tx.Last(ListID(list))
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
		return nil, fmt.Errorf("%w: wait for the list %s: %w", commitlog.ErrUnknown, list, err)
	}
	last := before - 1
	first := uint64(max(1, int64(last)-int64(min(limit, pageSize))+1))
	pages, err := l.pages.Get(ctx, pageKey(list, first), pageKey(list, last))
	if err != nil {
		return nil, err
	}
	var entries []ListEntry
	for seq := last; seq >= first; {
		var page []ListEntry
		if err := json.Unmarshal(pages[pageKey(list, seq)], &page); err != nil {
			return nil, fmt.Errorf("%w: page %s: %w", commitlog.ErrCorrupt, pageKey(list, seq), err)
		}
		start := (seq-1)/pageSize*pageSize + 1
		for ; seq >= first && seq >= start; seq-- {
			if i := seq - start; i < uint64(len(page)) && page[i].Seq == seq {
				entries = append(entries, page[i])
				continue
			}
			return nil, fmt.Errorf("%w: page %s lacks entry %d", commitlog.ErrCorrupt, pageKey(list, seq), seq)
		}
	}
	return entries, nil
}
