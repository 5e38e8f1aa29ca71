// Package moving takes a shop from one state store into another. A state store cannot be listed through Dapr, but
// each service knows its own keys: to who works beside it, it streams what it owns and cannot derive,
//
//	GET /internal/export
//	{"key":"log/orders/1","value":{"w":"K3ZU…","b":0,"e":[…]}}
//	{"key":"sessions/u1","value":{…},"ttl":7776000}
//	{"items":2}
//
// one item a line and at the end how many there were, for a stream that breaks off looks like a whole one. Values
// stand in it byte for byte. A service that is started to take such items (MOVE_IN=on, see host) does nothing else:
//
//	POST /internal/import
//
// creates those of a body that its store does not have, and overwrites nothing. Documents are not moved: after the
// next start they are what the moved logs make.
package moving

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

// MediaType of a stream of items.
const MediaType = "application/x-ndjson"

// maxLine bounds a line of a stream: a value of at most about 1 MB, and its key.
const maxLine = 4 << 20

// ErrCutOff says that a stream has ended before its last line.
var ErrCutOff = errors.New("moving: the stream is cut off")

// line of a stream: an item or, the last, the number of them.
type line struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
	TTL   int64           `json:"ttl"` // seconds
	Items *uint64         `json:"items"`
}

// Append adds the item's line to b. It fails for a value that is not JSON on one line, which no service stores.
func Append(b []byte, item sidecar.Item) ([]byte, error) {
	if !json.Valid(item.Value) || bytes.ContainsRune(item.Value, '\n') {
		return b, fmt.Errorf("moving: the value of %s is not JSON on one line", item.Key)
	}
	key, err := json.Marshal(item.Key)
	if err != nil {
		return b, err
	}
	// Not by json.Marshal: it may write a value in another way than it stands in the store.
	b = append(append(append(append(b, `{"key":`...), key...), `,"value":`...), item.Value...)
	if item.TTL > 0 {
		b = fmt.Appendf(b, `,"ttl":%d`, int64(item.TTL.Seconds()))
	}
	return append(b, '}', '\n'), nil
}

// Writer writes a stream; Close ends it, and without that it is cut off.
type Writer struct {
	w io.Writer
	n uint64
}

// NewWriter writes a stream to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Put writes an item.
func (w *Writer) Put(item sidecar.Item) error {
	b, err := Append(nil, item)
	if err == nil {
		_, err = w.w.Write(b)
	}
	if err == nil {
		w.n++
	}
	return err
}

// Close writes the last line; w stays open.
func (w *Writer) Close() error {
	_, err := fmt.Fprintf(w.w, "{\"items\":%d}\n", w.n)
	return err
}

// Reader reads a stream.
type Reader struct {
	lines *bufio.Scanner
	n     uint64
	ended bool
}

// NewReader reads a stream from r.
func NewReader(r io.Reader) *Reader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	return &Reader{lines: lines}
}

// Line is the number of the line that was read last, from 1 on.
func (r *Reader) Line() uint64 { return r.n }

// Next reads an item. After the last one it gives io.EOF where the stream says that it was the last, and ErrCutOff
// where it just stops. Any other error is of the reader below, or names what is wrong with the line.
func (r *Reader) Next() (sidecar.Item, error) {
	if r.ended {
		return sidecar.Item{}, io.EOF
	}
	if !r.lines.Scan() {
		if err := r.lines.Err(); err != nil {
			return sidecar.Item{}, fmt.Errorf("line %d: %w", r.n+1, err)
		}
		return sidecar.Item{}, ErrCutOff
	}
	r.n++
	item, items, err := Parse(r.lines.Bytes())
	switch {
	case err != nil:
		return sidecar.Item{}, fmt.Errorf("line %d: %w", r.n, err)
	case items == nil:
		return item, nil
	case *items != r.n-1:
		return sidecar.Item{}, fmt.Errorf("%w: of %d items there are %d", ErrCutOff, *items, r.n-1)
	}
	r.ended = true
	return sidecar.Item{}, io.EOF
}

// Parse reads one line of a stream: an item or, the last, how many there were. The error says what is wrong with it.
func Parse(text []byte) (item sidecar.Item, items *uint64, err error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return item, nil, errors.New("is not JSON of an item")
	}
	switch {
	case l.Items != nil && l.Key == "" && l.Value == nil:
		return item, l.Items, nil
	case !sound(l.Key):
		return item, nil, errors.New("has no key that a store would take")
	case len(l.Value) == 0:
		return item, nil, errors.New("has no value")
	case l.TTL < 0:
		return item, nil, errors.New("has a negative ttl")
	}
	return sidecar.Item{Key: l.Key, Value: bytes.Clone(l.Value), TTL: time.Duration(l.TTL) * time.Second}, nil, nil
}

// sound tells whether a key is one: see sidecar.State.
func sound(key string) bool {
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' || key[i] == '|' && i > 0 && key[i-1] == '|' {
			return false
		}
	}
	return key != ""
}
