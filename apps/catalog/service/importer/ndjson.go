package importer

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"haberdash/apps/catalog/internal/imports"
	"haberdash/apps/catalog/internal/names"
	"haberdash/apps/catalog/internal/product"
	"haberdash/apps/catalog/service/products"
	"haberdash/internal/httpx"
	"haberdash/internal/strictjson"
)

// lineReader reads products in the form of the API, one on each line.
type lineReader struct {
	r        *bufio.Reader
	n        int // of the line that was read last, from 1
	sanitise func(html string) string
}

func newLineReader(r io.Reader, sanitise func(html string) string) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10), sanitise: sanitise}
}

// Next implements source.
func (l *lineReader) Next() (*imports.Item, []imports.RowError, error) {
	for {
		text, long, err := l.readLine()
		if err != nil {
			return nil, nil, err
		}
		if l.n == 1 {
			text = bytes.TrimPrefix(text, []byte("\uFEFF"))
		}
		if text = bytes.TrimSpace(text); len(text) == 0 && !long {
			continue
		}
		p, handle, err := l.parse(text, long)
		if err != nil {
			return nil, []imports.RowError{{Line: l.n, Handle: handle, Reason: err.Error()}}, nil
		}
		return &imports.Item{Line: l.n, Handle: p.Handle, Whole: &p}, nil, nil
	}
}

func (l *lineReader) parse(text []byte, long bool) (p product.Product, handle string, err error) {
	if long {
		return p, "", fmt.Errorf("the line is longer than %d bytes", httpx.MaxBody)
	}
	var form products.ProductForm
	if err := strictjson.UnmarshalKnown(text, &form); err != nil {
		return p, form.Handle, err
	}
	p = form.Product(l.sanitise)
	if p.Handle == "" {
		p.Handle = names.Slug(p.Title)
	}
	return p, p.Handle, nil
}

// readLine reads a physical line. If it is too long, long is true and the text is cut.
func (l *lineReader) readLine() (text []byte, long bool, err error) {
	l.n++
	for {
		part, err := l.r.ReadSlice('\n')
		if long = long || len(text)+len(part) > httpx.MaxBody; !long {
			text = append(text, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err == io.EOF && (len(text) > 0 || long):
			return text, long, nil
		case err != nil:
			return nil, false, err
		default:
			return text, long, nil
		}
	}
}
