package importer

import (
	"context"
	"hash/maphash"
	"io"
	"strings"

	"haberdash/apps/catalog/internal/imports"
)

// A commit of an import has at most batchItems products, of about batchBytes together.
const (
	batchItems = 100
	batchBytes = 96 << 10
)

// maxErrors bounds the errors of a report.
const maxErrors = 1000

// source reads the products of a file, one at a time: see shopify.Reader.Next.
type source interface {
	Next() (*imports.Item, []imports.RowError, error)
}

// fileImport imports one file, batch by batch. It remembers a hash of each product and variant, so that one that is in
// the file twice does not change back and forth with every import.
type fileImport struct {
	s      *Service
	report importReport
	batch  []imports.Item
	bytes  int
	seed   maphash.Seed
	seen   map[uint64]struct{}
}

func newFileImport(s *Service) *fileImport {
	report := importReport{Errors: []imports.RowError{}}
	return &fileImport{s: s, report: report, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
}

// run imports everything that the source has. After an error a part of the file may be imported; the same file again
// completes it.
func (f *fileImport) run(ctx context.Context, items source) error {
	if _, err := f.s.ReceiveStock(ctx); err != nil { // what an interrupted import has counted
		return err
	}
	for {
		item, wrong, err := items.Next()
		f.fail(wrong...)
		if item != nil && f.dropRepeated(item) {
			f.batch = append(f.batch, *item)
			f.bytes += size(item)
		}
		if err != nil && err != io.EOF {
			return err
		}
		if err == io.EOF || len(f.batch) >= batchItems || f.bytes >= batchBytes {
			if err := f.commitBatch(ctx); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

func (f *fileImport) fail(wrong ...imports.RowError) {
	f.report.Failed += len(wrong)
	room := max(0, min(len(wrong), maxErrors-len(f.report.Errors)))
	f.report.Errors = append(f.report.Errors, wrong[:room]...)
}

// first remembers a product or variant, and tells whether it is in the file for the first time.
func (f *fileImport) first(parts ...string) bool {
	h := maphash.String(f.seed, strings.Join(parts, "\x00"))
	_, before := f.seen[h]
	f.seen[h] = struct{}{}
	return !before
}

// dropRepeated removes from an item what was in the file before, and tells whether something is left. A later run of
// rows of one product adds variants and images; the fields of the product are those of the first run.
func (f *fileImport) dropRepeated(it *imports.Item) bool {
	if it.Whole != nil {
		first := f.first("product", it.Handle)
		if !first {
			f.fail(imports.RowError{Line: it.Line, Handle: it.Handle, Reason: "the product is on an earlier line"})
		}
		return first
	}
	if it.Fields != nil && !f.first("product", it.Handle) {
		it.Fields, it.OptionNames, it.Categories = nil, nil, nil
	}
	kept := it.Variants[:0]
	for _, v := range it.Variants {
		options := f.first("options", it.Handle, strings.TrimRight(strings.Join(v.Values, "\x00"), "\x00"))
		sku := v.SKU == "" || f.first("sku", v.SKU)
		if options && sku {
			kept = append(kept, v)
			continue
		}
		it.Reported = true
		f.fail(imports.RowError{Line: v.Line, Handle: it.Handle, Reason: "the same variant is in an earlier row"})
	}
	it.Variants = kept
	return it.Fields != nil || len(it.Variants)+len(it.Images) > 0
}

// commitBatch commits the batch and has the stock receive what it counted.
func (f *fileImport) commitBatch(ctx context.Context) error {
	if len(f.batch) == 0 {
		return nil
	}
	r, err := f.s.Catalog.Import(ctx, f.batch)
	f.report.Created, f.report.Updated = f.report.Created+r.Created, f.report.Updated+r.Updated
	f.report.Unchanged += r.Unchanged
	f.fail(r.Errors...)
	if err != nil {
		return err
	}
	refused, err := f.s.ReceiveStock(ctx)
	for _, m := range refused {
		f.fail(f.rowOf(m))
	}
	f.batch, f.bytes = f.batch[:0], 0
	return err
}

// rowOf finds the row of the batch whose quantity the stock refused.
func (f *fileImport) rowOf(m refusedMove) imports.RowError {
	e, v, ok := f.s.Listing.Variant(m.sku)
	row := imports.RowError{Reason: "Variant Inventory Qty of " + m.sku + ": " + m.reason}
	for _, it := range f.batch {
		if !ok || it.Handle != e.Handle {
			continue
		}
		row.Line, row.Handle = it.Line, it.Handle
		for _, r := range it.Variants {
			if r.SKU == m.sku || v.HasValues(e.Options, r.Values) {
				row.Line = r.Line
			}
		}
	}
	return row
}

// size is about how many bytes an item needs in a commit.
func size(it *imports.Item) int {
	n := 600 + 400*len(it.Variants) + 200*len(it.Images)
	if it.Fields != nil {
		n += 2 * len(it.Fields.Description)
	}
	if it.Whole != nil {
		n += 2*len(it.Whole.Description) + 400*len(it.Whole.Variants) + 200*len(it.Whole.Images)
	}
	return n
}
