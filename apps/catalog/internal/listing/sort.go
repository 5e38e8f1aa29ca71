package listing

import (
	"cmp"
	"slices"
)

// Sort names an order of the list.
type Sort string

// The sort orders. Without search words, Relevance is Newest.
const (
	Relevance Sort = "relevance"
	PriceUp   Sort = "price"
	PriceDown Sort = "-price"
	Newest    Sort = "newest"
	Title     Sort = "title"
)

// key is the place of an entry in a sort order. Keys of different entries differ. Cursors of the API contain keys.
type key struct {
	Sort     Sort    `json:"o"`
	Currency string  `json:"c,omitempty"`
	Score    float64 `json:"s,omitempty"`
	Amount   int64   `json:"a,omitempty"`
	Title    string  `json:"t,omitempty"`
	Order    uint64  `json:"n"`
}

func (e *Entry) key(s Sort, score float64) key {
	k := key{Sort: s, Order: e.Order}
	switch s {
	case Relevance:
		k.Score = score
	case PriceUp, PriceDown:
		k.Amount, k.Currency = e.From.Price.Amount, e.From.Price.Currency
	case Title:
		k.Title = e.title
	}
	return k
}

// compare orders keys of one sort order. Prices compare within a currency. Of equal entries the newer comes first.
func (k key) compare(o key) int {
	up := 1
	if k.Sort == PriceDown {
		up = -1
	}
	return cmp.Or(
		cmp.Compare(o.Score, k.Score), cmp.Compare(k.Currency, o.Currency), up*cmp.Compare(k.Amount, o.Amount),
		cmp.Compare(k.Title, o.Title), cmp.Compare(o.Order, k.Order),
	)
}

// ordered lists all entries in an order that needs no scores. The caller holds x.mu for writing.
func (x *Index) ordered(s Sort) []*Entry {
	if s == Relevance {
		s = Newest
	}
	list, ok := x.sorted[s]
	if !ok {
		list = make([]*Entry, 0, len(x.entries))
		for _, e := range x.entries {
			list = append(list, e)
		}
		slices.SortFunc(list, func(a, b *Entry) int { return a.key(s, 0).compare(b.key(s, 0)) })
		x.sorted[s] = list
	}
	return list
}
