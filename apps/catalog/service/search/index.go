// Package search finds products by words. Its full-text index is in memory (bleve) and follows the catalogue's log.
package search

import (
	"context"
	"fmt"
	"html"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/blevesearch/bleve/v2"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/en" // registers the analyzer "en"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/fault"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Index is the full-text index of the products. Changes are indexed in the background, so that no commit waits for it.
// A search waits until the changes before it are indexed. An Index is safe for concurrent use.
type Index struct {
	index   bleve.Index
	seconds prometheus.Observer // of searches

	mu       sync.Mutex
	waiting  map[string]*product.Product // changes that are not indexed yet, by id; nil: the product is deleted
	added    uint64                      // number of changes that were added
	wake     chan struct{}
	indexed  uint64        // number of changes that are indexed
	progress chan struct{} // closed and replaced when indexed grows
}

// fields are the indexed fields and their weights.
var fields = []struct {
	name  string
	boost float64
}{{"title", 3}, {"brand", 2}, {"tags", 2}, {"sku", 2}, {"description", 1}}

// New makes an empty index. It needs no metrics registry: reg may be nil.
func New(reg prometheus.Registerer) (*Index, error) {
	m := mapping.NewIndexMapping()
	m.DefaultAnalyzer = "en"
	m.StoreDynamic, m.DocValuesDynamic, m.IndexDynamic = false, false, false
	doc := mapping.NewDocumentStaticMapping()
	for _, f := range fields {
		text := mapping.NewTextFieldMapping()
		text.Store, text.IncludeInAll, text.IncludeTermVectors, text.DocValues = false, false, false, false
		doc.AddFieldMappingsAt(f.name, text)
	}
	m.DefaultMapping = doc
	index, err := bleve.NewMemOnly(m)
	if err != nil {
		return nil, fmt.Errorf("open search index: %w", err)
	}
	x := &Index{
		index: index, waiting: map[string]*product.Product{}, wake: make(chan struct{}, 1), progress: make(chan struct{}),
	}
	x.seconds = newSeconds(reg, x)
	return x, nil
}

// Add adds the next change of the catalogue. Changes of categories do not matter.
func (x *Index) Add(c product.Change) {
	if c.Product == nil {
		return
	}
	p := c.Product
	if c.Deleted {
		p = nil
	}
	x.mu.Lock()
	x.waiting[c.ID] = p
	x.added++
	x.mu.Unlock()
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Run indexes changes until ctx ends.
func (x *Index) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-x.wake:
			x.indexWaiting(ctx)
		}
	}
}

func (x *Index) indexWaiting(ctx context.Context) {
	x.mu.Lock()
	changes, upTo := x.waiting, x.added
	x.waiting = map[string]*product.Product{}
	x.mu.Unlock()
	batch := x.index.NewBatch()
	for id, p := range changes {
		if p == nil {
			batch.Delete(id)
		} else if err := batch.Index(id, document(p)); err != nil {
			telemetry.Log(ctx).Error().Err(err).Str(field.Product, id).Msg("cannot index product")
		}
	}
	if err := x.index.Batch(batch); err != nil {
		telemetry.Log(ctx).Error().Err(err).Msg("cannot update the search index")
	}
	x.mu.Lock()
	x.indexed = upTo
	close(x.progress)
	x.progress = make(chan struct{})
	x.mu.Unlock()
}

// CatchUp waits until all changes that were added before the call are indexed. Problem: unavailable (503) if ctx ends
// first.
func (x *Index) CatchUp(ctx context.Context) error {
	x.mu.Lock()
	want := x.added
	for x.indexed < want {
		progress := x.progress
		x.mu.Unlock()
		select {
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "unavailable", "The search index is being built.").
				After(time.Second).Because(ctx.Err())
		case <-progress:
		}
		x.mu.Lock()
	}
	x.mu.Unlock()
	return nil
}

var tag = regexp.MustCompile(`<[^>]*>`)

func document(p *product.Product) map[string]any {
	return map[string]any{
		"title": p.Title, "brand": p.Brand, "tags": strings.Join(p.Tags, " "), "sku": strings.Join(p.SKUs(), " "),
		"description": html.UnescapeString(tag.ReplaceAllString(p.Description, " ")),
	}
}
