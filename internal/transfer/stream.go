// Package transfer exports the data of a service from its state store, and imports it into another one. Dapr cannot
// list the keys of a store, but each service knows its own. It serves a stream of the data that it cannot derive from
// other data, to its own sidecar only:
//
//	GET /internal/export
//	{"key":"log/orders/1","value":{"w":"K3ZU…","b":0,"e":[…]}}
//	{"key":"sessions/u1","value":{…},"ttl":7776000}
//	{"items":2}
//
// Each line is an item; values are written byte for byte as they are stored. The last line is the number of items, so
// that a reader notices a truncated stream.
//
// A service that is started with MOVE_IN=on (see package host) only imports such items:
//
//	POST /internal/import
//
// The import creates the items that the store does not have, and overwrites nothing. Documents that are derived from a
// log are not exported: the service rebuilds them when it starts.
package transfer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"haberdash/internal/sidecar"
)

// MediaType is the media type of a stream of items.
const MediaType = "application/x-ndjson"

// maxLine bounds a line of a stream in bytes: a key, and a value of about 1 MB at most.
const maxLine = 4 << 20

// ErrTruncated means that a stream ended before its last line.
var ErrTruncated = errors.New("transfer: the stream is truncated")

// line is a line of a stream: an item, or at the end the number of items.
type line struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
	TTL   int64           `json:"ttl"` // seconds
	Items *uint64         `json:"items"`
}

// encode returns the line of an item. It fails for a value that is not JSON on one line; services store no such value.
func encode(item sidecar.Item) ([]byte, error) {
	if !json.Valid(item.Value) || bytes.ContainsRune(item.Value, '\n') {
		return nil, fmt.Errorf("transfer: the value of %s is not JSON on one line", item.Key)
	}
	key, err := json.Marshal(item.Key)
	if err != nil {
		return nil, err
	}
	// json.Marshal of the whole line would reformat the value.
	b := fmt.Appendf(nil, `{"key":%s,"value":%s`, key, item.Value)
	if item.TTL > 0 {
		b = fmt.Appendf(b, `,"ttl":%d`, int64(item.TTL.Seconds()))
	}
	return append(b, '}', '\n'), nil
}

// Writer writes a stream of items. Without Close the stream is truncated. It is not safe for concurrent use.
type Writer struct {
	w     io.Writer
	items uint64
}

// NewWriter makes a Writer that writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Put writes an item.
func (w *Writer) Put(item sidecar.Item) error {
	b, err := encode(item)
	if err == nil {
		_, err = w.w.Write(b)
	}
	if err == nil {
		w.items++
	}
	return err
}

// Close writes the last line. It does not close the underlying writer.
func (w *Writer) Close() error {
	_, err := fmt.Fprintf(w.w, "{\"items\":%d}\n", w.items)
	return err
}

// Reader reads a stream of items. It is not safe for concurrent use.
type Reader struct {
	lines *bufio.Scanner
	read  uint64 // lines
	ended bool
}

// NewReader makes a Reader that reads from r.
func NewReader(r io.Reader) *Reader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	return &Reader{lines: lines}
}

// Line returns the number of the line that was read last, from 1.
func (r *Reader) Line() uint64 { return r.read }

// Next reads an item. Errors: io.EOF after the last line, ErrTruncated if the stream ends without it or has another
// number of items, otherwise an error of the underlying reader or one that names the line and what is wrong with it.
func (r *Reader) Next() (sidecar.Item, error) {
	if r.ended {
		return sidecar.Item{}, io.EOF
	}
	if !r.lines.Scan() {
		if err := r.lines.Err(); err != nil {
			return sidecar.Item{}, fmt.Errorf("line %d: %w", r.read+1, err)
		}
		return sidecar.Item{}, ErrTruncated
	}
	r.read++
	item, items, err := Parse(r.lines.Bytes())
	switch {
	case err != nil:
		return sidecar.Item{}, fmt.Errorf("line %d: %w", r.read, err)
	case items == nil:
		return item, nil
	case *items != r.read-1:
		return sidecar.Item{}, fmt.Errorf("%w: it has %d of %d items", ErrTruncated, r.read-1, *items)
	}
	r.ended = true
	return sidecar.Item{}, io.EOF
}

// Parse decodes one line of a stream: an item, or the number of items of the last line. The error says what is wrong
// with the line.
func Parse(text []byte) (item sidecar.Item, items *uint64, err error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return item, nil, errors.New("is not JSON of an item")
	}
	switch {
	case l.Items != nil && l.Key == "" && l.Value == nil:
		return item, l.Items, nil
	case !validKey(l.Key):
		return item, nil, errors.New("has no key that a store would take")
	case len(l.Value) == 0:
		return item, nil, errors.New("has no value")
	case l.TTL < 0:
		return item, nil, errors.New("has a negative ttl")
	}
	return sidecar.Item{Key: l.Key, Value: bytes.Clone(l.Value), TTL: time.Duration(l.TTL) * time.Second}, nil, nil
}

// validKey reports whether a store accepts the key: see sidecar.State.
func validKey(key string) bool {
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' || key[i] == '|' && i > 0 && key[i-1] == '|' {
			return false
		}
	}
	return key != ""
}
