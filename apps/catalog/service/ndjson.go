package service

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/httpx"
)

// lines reads products in this API's form, one a line.
type lines struct {
	r     *bufio.Reader
	n     int
	clean func(string) string
}

func newLines(r io.Reader, clean func(string) string) *lines {
	return &lines{r: bufio.NewReaderSize(r, 64<<10), clean: clean}
}

// Next implements source.
func (l *lines) Next() (*product.Item, []product.RowError, error) {
	for {
		text, long, err := l.line()
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
			return nil, []product.RowError{{Line: l.n, Handle: handle, Reason: err.Error()}}, nil
		}
		return &product.Item{Line: l.n, Handle: p.Handle, Whole: &p}, nil, nil
	}
}

func (l *lines) parse(text []byte, long bool) (p product.Product, handle string, err error) {
	if long {
		return p, "", fmt.Errorf("the line is longer than %d bytes", httpx.MaxBody)
	}
	if !utf8.Valid(text) {
		return p, "", errors.New("is not valid UTF-8")
	}
	var form productForm
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&form); err != nil {
		return p, form.Handle, errors.New(strings.TrimPrefix(strings.ReplaceAll(err.Error(), "Go struct field productForm.", ""), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return p, form.Handle, errors.New("there is more than one product on the line")
	}
	p = form.product(l.clean)
	if p.Handle == "" {
		p.Handle = product.Slug(p.Title)
	}
	return p, p.Handle, nil
}

// line reads a physical line; one that is too long is skipped and reported as such.
func (l *lines) line() (text []byte, long bool, err error) {
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
