package service

import (
	"context"
	"hash/maphash"
	"io"
	"strings"

	"haberdash/apps/catalog/internal/product"
)

// What goes into one commit: so many products, or so many bytes of them, about.
const (
	batchItems = 100
	batchBytes = 96 << 10
)

// maxErrors bounds the errors of a report.
const maxErrors = 1000

// source reads the products of a file, one at a time; see shopify.Reader.Next.
type source interface {
	Next() (*product.Item, []product.RowError, error)
}

// importer takes one file in, batch by batch. Of the file it keeps a hash for each product and variant, so
// that one that stands there twice cannot change back and forth with every import.
type importer struct {
	s      *Service
	report importReport
	batch  []product.Item
	bytes  int
	seed   maphash.Seed
	seen   map[uint64]struct{}
}

func newImporter(s *Service) *importer {
	return &importer{s: s, report: importReport{Errors: []product.RowError{}}, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
}

// run imports all that the source gives. After an error a part of the file may be in; the same file
// again completes it.
func (im *importer) run(ctx context.Context, rows source) error {
	if _, err := im.s.settle(ctx); err != nil { // what an earlier import could not finish
		return err
	}
	for {
		item, wrong, err := rows.Next()
		im.fail(wrong...)
		if item != nil && im.first(item) {
			im.batch = append(im.batch, *item)
			im.bytes += size(item)
		}
		if err != nil && err != io.EOF {
			return err
		}
		if err == io.EOF || len(im.batch) >= batchItems || im.bytes >= batchBytes {
			if err := im.flush(ctx); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

func (im *importer) fail(wrong ...product.RowError) {
	im.report.Failed += len(wrong)
	im.report.Errors = append(im.report.Errors, wrong[:max(0, min(len(wrong), maxErrors-len(im.report.Errors)))]...)
}

// mark remembers a product or variant, and says whether it is the first of its kind in the file.
func (im *importer) mark(parts ...string) bool {
	h := maphash.String(im.seed, strings.Join(parts, "\x00"))
	_, before := im.seen[h]
	im.seen[h] = struct{}{}
	return !before
}

// first leaves out of an item what stood in the file before. A later run of rows of one product adds
// variants and images to it; what the first run said of the product itself stands.
func (im *importer) first(it *product.Item) bool {
	if it.Whole != nil {
		ok := im.mark("product", it.Handle)
		if !ok {
			im.fail(product.RowError{Line: it.Line, Handle: it.Handle, Reason: "the product stands on an earlier line"})
		}
		return ok
	}
	if it.Fields != nil && !im.mark("product", it.Handle) {
		it.Fields, it.OptionNames, it.Categories = nil, nil, nil
	}
	kept := it.Variants[:0]
	for _, v := range it.Variants {
		options := im.mark("options", it.Handle, strings.TrimRight(strings.Join(v.Values, "\x00"), "\x00"))
		sku := v.SKU == "" || im.mark("sku", v.SKU)
		if options && sku {
			kept = append(kept, v)
			continue
		}
		it.Reported = true
		im.fail(product.RowError{Line: v.Line, Handle: it.Handle, Reason: "the same variant stands in an earlier row"})
	}
	it.Variants = kept
	return it.Fields != nil || len(it.Variants)+len(it.Images) > 0
}

// flush commits the batch and receives what it counted.
func (im *importer) flush(ctx context.Context) error {
	if len(im.batch) == 0 {
		return nil
	}
	r, err := im.s.catalog.Import(ctx, im.batch)
	im.report.Created, im.report.Updated, im.report.Unchanged = im.report.Created+r.Created, im.report.Updated+r.Updated, im.report.Unchanged+r.Unchanged
	im.fail(r.Errors...)
	if err != nil {
		return err
	}
	refused, err := im.s.settle(ctx)
	for _, f := range refused {
		im.fail(im.blame(f))
	}
	im.batch, im.bytes = im.batch[:0], 0
	return err
}

// blame finds the row whose quantity the inventory refused.
func (im *importer) blame(f refusal) product.RowError {
	e, v, ok := im.s.listing.Variant(f.sku)
	row := product.RowError{Reason: "Variant Inventory Qty of " + f.sku + ": " + f.reason}
	for _, it := range im.batch {
		if !ok || it.Handle != e.Handle {
			continue
		}
		row.Line, row.Handle = it.Line, it.Handle
		for _, r := range it.Variants {
			if r.SKU == f.sku || v.HasValues(e.Options, r.Values) {
				row.Line = r.Line
			}
		}
	}
	return row
}

// size is about how many bytes an item takes in a commit.
func size(it *product.Item) int {
	n := 600 + 400*len(it.Variants) + 200*len(it.Images)
	if it.Fields != nil {
		n += 2 * len(it.Fields.Description)
	}
	if it.Whole != nil {
		n += 2*len(it.Whole.Description) + 400*len(it.Whole.Variants) + 200*len(it.Whole.Images)
	}
	return n
}
