// Package move takes the data of a running shop into a file, and out of it into another state store. `make export`
// and `make import-data` use it, and the tests.
package move

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"haberdash/internal/sidecar"
	"haberdash/internal/transfer"
)

// A file is gzip of lines of JSON: a Header; for each app a line that names it and its stream (see package transfer);
// a Trailer.
const (
	format  = "haberdash-shop"
	version = 1
)

// apps own what is moved, in the order of the file: accounts first, for their keys tell at once that a store is not
// empty; then who only reads logs, then orders, then those whose part in an order may be further than the order's.
var apps = []string{"users", "notifications", "cart", "orders", "catalog"}

// Header begins a file.
type Header struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	State   string    `json:"state"` // the choice of state store that it comes from
	// Secrets are fingerprints of those without which the data is of no use: see launch.SecretPrints.
	Secrets map[string]string `json:"secrets"`
}

// Trailer ends a file. Without it, or with another sum, the file is not whole.
type Trailer struct {
	Items   map[string]uint64 `json:"items"` // by app
	Figures Figures           `json:"figures"`
	SHA256  string            `json:"sha256"` // of all lines before, in hexadecimal
}

type section struct {
	App string `json:"app"`
}

// ErrFile says that a file is not one that can be imported; the text says why.
var ErrFile = errors.New("this is no export that can be imported")

// writer writes a file.
type writer struct {
	file  *os.File
	zip   *gzip.Writer
	out   *bufio.Writer // of lines, on their way into sum and zip
	sum   hash.Hash
	items map[string]uint64
}

// create begins a file, for the owner's eyes only: it has addresses and password hashes.
func create(path string, h Header) (*writer, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	w := &writer{file: file, zip: gzip.NewWriter(file), sum: sha256.New(), items: map[string]uint64{}}
	w.out = bufio.NewWriterSize(io.MultiWriter(w.sum, w.zip), 64<<10)
	h.Format, h.Version = format, version
	return w, w.line(h)
}

func (w *writer) line(v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = w.out.Write(append(b, '\n'))
	}
	return err
}

// add copies an app's stream, which must be whole.
func (w *writer) add(app string, stream io.Reader) error {
	if err := w.line(section{app}); err != nil {
		return err
	}
	w.items[app] = 0
	items := transfer.NewReader(stream)
	out := transfer.NewWriter(w.out)
	for {
		item, err := items.Next()
		switch {
		case err == io.EOF:
			return out.Close()
		case err != nil:
			return fmt.Errorf("%s: %w", app, err)
		}
		if err := out.Put(item); err != nil {
			return err
		}
		w.items[app]++
	}
}

// finish writes the trailer, and what is written to the disk.
func (w *writer) finish(f Figures) (t Trailer, err error) {
	if err := w.out.Flush(); err != nil {
		return t, err
	}
	t = Trailer{w.items, f, hex.EncodeToString(w.sum.Sum(nil))}
	if err := w.line(t); err != nil {
		return t, err
	}
	return t, errors.Join(w.out.Flush(), w.zip.Close(), w.file.Sync())
}

// Read goes through a file from its first line to its last, and hands each app's items to take; the app's last call
// has none. It fails with ErrFile where the file is of another version, or not whole: what was handed out by then
// is of no use, so read a file once for nothing before it is read for good (see Check).
func Read(path string, take func(app string, items []sidecar.Item) error) (h Header, t Trailer, err error) {
	file, err := os.Open(path)
	if err != nil {
		return h, t, err
	}
	defer file.Close()
	zip, err := gzip.NewReader(bufio.NewReaderSize(file, 64<<10))
	if err != nil {
		return h, t, fmt.Errorf("%w: %s is not compressed as one: %w", ErrFile, path, err)
	}
	r := &reader{lines: bufio.NewReaderSize(zip, 64<<10), sum: sha256.New()}
	h, t, err = r.read(take)
	if taking := (taking{}); errors.As(err, &taking) {
		return h, t, taking.error
	}
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrFile, path, err)
	}
	return h, t, err
}

// Check reads a file for nothing.
func Check(path string) (Header, Trailer, error) {
	return Read(path, func(string, []sidecar.Item) error { return nil })
}

type reader struct {
	lines *bufio.Reader
	sum   hash.Hash
	n     int
}

// taking marks an error of who takes the items: the file is not to blame.
type taking struct{ error }

func (r *reader) read(take func(app string, items []sidecar.Item) error) (h Header, t Trailer, err error) {
	if err := r.decode(&h); err != nil {
		return h, t, err
	}
	switch {
	case h.Format != format:
		return h, t, errors.New("it is something else")
	case h.Version != version:
		return h, t, fmt.Errorf("it has version %d of the format, and this Haberdash knows %d", h.Version, version)
	}
	items := map[string]uint64{}
	for {
		before := hex.EncodeToString(r.sum.Sum(nil))
		text, err := r.line()
		if err != nil {
			return h, t, err
		}
		var s section
		if json.Unmarshal(text, &s) != nil {
			return h, t, fmt.Errorf("line %d is not understood", r.n)
		}
		if s.App != "" {
			if items[s.App], err = r.section(s.App, take); err != nil {
				return h, t, err
			}
			continue
		}
		if json.Unmarshal(text, &t) != nil || t.SHA256 == "" {
			return h, t, fmt.Errorf("line %d is not understood", r.n)
		}
		if t.SHA256 != before || !maps.Equal(t.Items, items) {
			return h, t, errors.New("its checksum is wrong: it was altered or damaged")
		}
		return h, t, r.over(t)
	}
}

// over makes sure that nothing follows the trailer but the checksum of gzip, and that no app is missing.
func (r *reader) over(t Trailer) error {
	if _, err := r.lines.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("something follows its end"), err)
	}
	for _, app := range apps {
		if _, there := t.Items[app]; !there {
			return fmt.Errorf("the data of %s is missing", app)
		}
	}
	return nil
}

// What is handed out at once: an import takes at most transfer.MaxImport.
const (
	someItems = 200
	someBytes = 512 << 10
)

// section reads one app's stream.
func (r *reader) section(app string, take func(app string, items []sidecar.Item) error) (n uint64, err error) {
	if !slices.Contains(apps, app) {
		return 0, fmt.Errorf("it has data of %q, an app that this Haberdash has not", app)
	}
	var some []sidecar.Item
	for size := 0; ; n++ {
		text, err := r.line()
		if err != nil {
			return n, err
		}
		item, total, err := transfer.Parse(text)
		switch {
		case err != nil:
			return n, fmt.Errorf("line %d %w", r.n, err)
		case total != nil && *total != n:
			return n, fmt.Errorf("of %d items of %s there are %d", *total, app, n)
		case total == nil:
			some, size = append(some, item), size+len(item.Value)+len(item.Key)
		}
		if total != nil || len(some) == someItems || size > someBytes {
			if err := take(app, some); err != nil {
				return n, taking{err}
			}
			some, size = nil, 0
		}
		if total != nil {
			return n, nil
		}
	}
}

func (r *reader) line() ([]byte, error) {
	text, err := r.lines.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("it is cut off after line %d: %w", r.n, err)
	}
	r.n++
	r.sum.Write(text)
	return text, nil
}

func (r *reader) decode(v any) error {
	text, err := r.line()
	if err == nil && json.Unmarshal(text, v) != nil {
		err = fmt.Errorf("line %d is not understood", r.n)
	}
	return err
}
