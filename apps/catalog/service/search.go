package service

import (
	"context"
	"fmt"
	"html"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/blevesearch/bleve/v2"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/en" // the analyzer of that name
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search/query"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/fault"
	"haberdash/internal/telemetry"
)

// finder is the full-text index, in memory. Changes are taken in behind the log, in the background, so
// that no commit waits for it; a search waits until it has what was committed before.
type finder struct {
	index bleve.Index

	mu      sync.Mutex
	waiting map[string]*product.Product // by id; nil: delete
	put     uint64                      // changes handed in
	wake    chan struct{}
	taken   uint64        // changes taken in
	moved   chan struct{} // closed and replaced when taken moves
}

// The weights of the fields.
var searchFields = []struct {
	name  string
	boost float64
}{{"title", 3}, {"brand", 2}, {"tags", 2}, {"sku", 2}, {"description", 1}}

func newFinder() (*finder, error) {
	m := mapping.NewIndexMapping()
	m.DefaultAnalyzer = "en"
	m.StoreDynamic, m.DocValuesDynamic, m.IndexDynamic = false, false, false
	doc := mapping.NewDocumentStaticMapping()
	for _, f := range searchFields {
		text := mapping.NewTextFieldMapping()
		text.Store, text.IncludeInAll, text.IncludeTermVectors, text.DocValues = false, false, false, false
		doc.AddFieldMappingsAt(f.name, text)
	}
	m.DefaultMapping = doc
	index, err := bleve.NewMemOnly(m)
	if err != nil {
		return nil, fmt.Errorf("open search index: %w", err)
	}
	return &finder{index: index, waiting: map[string]*product.Product{}, wake: make(chan struct{}, 1), moved: make(chan struct{})}, nil
}

// hand in a change; p is nil for a product that is gone.
func (f *finder) hand(id string, p *product.Product) {
	f.mu.Lock()
	f.waiting[id] = p
	f.put++
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run takes changes in until ctx ends.
func (f *finder) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		}
		f.mu.Lock()
		changes, upTo := f.waiting, f.put
		f.waiting = map[string]*product.Product{}
		f.mu.Unlock()
		batch := f.index.NewBatch()
		for id, p := range changes {
			if p == nil {
				batch.Delete(id)
			} else if err := batch.Index(id, document(p)); err != nil {
				telemetry.Log(ctx).Error().Err(err).Str("product", id).Msg("cannot index product")
			}
		}
		if err := f.index.Batch(batch); err != nil {
			telemetry.Log(ctx).Error().Err(err).Msg("cannot update the search index")
		}
		f.mu.Lock()
		f.taken = upTo
		close(f.moved)
		f.moved = make(chan struct{})
		f.mu.Unlock()
	}
}

// current waits until all that was handed in before is taken in.
func (f *finder) current(ctx context.Context) error {
	f.mu.Lock()
	want := f.put
	for f.taken < want {
		moved := f.moved
		f.mu.Unlock()
		select {
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "unavailable", "The search index is being built.").After(time.Second).Because(ctx.Err())
		case <-moved:
		}
		f.mu.Lock()
	}
	f.mu.Unlock()
	return nil
}

var tag = regexp.MustCompile(`<[^>]*>`)

func document(p *product.Product) map[string]any {
	skus := make([]string, 0, len(p.Variants))
	for _, v := range p.Variants {
		skus = append(skus, v.SKU)
	}
	text := html.UnescapeString(tag.ReplaceAllString(p.Description, " "))
	return map[string]any{"title": p.Title, "brand": p.Brand, "tags": strings.Join(p.Tags, " "), "sku": strings.Join(skus, " "), "description": text}
}

// maxTerms bounds the words of a search; further ones are ignored.
const maxTerms = 10

// find scores the products that match every word, as it stands or as the beginning of one. Only if there
// are none, words may have a letter or two wrong. No words match nothing.
func (f *finder) find(ctx context.Context, text string) (map[string]float64, error) {
	terms := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
	if len(terms) == 0 {
		return map[string]float64{}, nil
	}
	if err := f.current(ctx); err != nil {
		return nil, err
	}
	for _, fuzzy := range []bool{false, true} {
		hits, err := f.ask(ctx, terms[:min(len(terms), maxTerms)], fuzzy)
		if err != nil || len(hits) > 0 {
			return hits, err
		}
	}
	return map[string]float64{}, nil
}

func (f *finder) ask(ctx context.Context, terms []string, fuzzy bool) (map[string]float64, error) {
	var all []query.Query
	for _, term := range terms {
		all = append(all, termQuery(term, fuzzy))
	}
	count, err := f.index.DocCount()
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	request := bleve.NewSearchRequestOptions(bleve.NewConjunctionQuery(all...), max(1, int(count)), 0, false)
	result, err := f.index.SearchInContext(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	hits := make(map[string]float64, len(result.Hits))
	for _, hit := range result.Hits {
		hits[hit.ID] = hit.Score
	}
	return hits, nil
}

func termQuery(term string, fuzzy bool) query.Query {
	var any []query.Query
	for _, f := range searchFields {
		match := bleve.NewMatchQuery(term)
		match.SetField(f.name)
		match.SetBoost(f.boost * 2)
		any = append(any, match)
		if len(term) >= 2 {
			prefix := bleve.NewPrefixQuery(term)
			prefix.SetField(f.name)
			prefix.SetBoost(f.boost)
			any = append(any, prefix)
		}
		if fuzzy && len(term) >= 4 && f.name != "sku" && f.name != "description" {
			near := bleve.NewMatchQuery(term)
			near.SetField(f.name)
			near.SetFuzziness(1 + min(len(term)/5, 1)) // exchanged letters are two changes
			near.SetPrefix(1)                          // the first letter is seldom the wrong one
			near.SetBoost(f.boost)
			any = append(any, near)
		}
	}
	return bleve.NewDisjunctionQuery(any...)
}
