// Package archive exports the data of a running shop into a file, and imports it into another state store. `make
// export` and `make import-data` use it, and the tests.
package archive

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
	"os"
	"time"

	"haberdash/internal/transfer"
)

// An archive is a gzip file with lines of JSON: a Header; for each app, a line with its name and the stream of its
// items (see internal/transfer); and a Trailer.
const (
	format  = "haberdash-shop"
	version = 1
)

// Header is the first line of an archive.
type Header struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	State   string    `json:"state"` // the choice of state store that the data comes from
	// Secrets are the fingerprints of the secrets without which the data is useless: see secrets.Fingerprints.
	Secrets map[string]string `json:"secrets"`
}

// Trailer is the last line of an archive. Without it, or with another checksum, the archive is not complete.
type Trailer struct {
	Items   map[string]uint64 `json:"items"` // by app
	Summary Summary           `json:"figures"`
	SHA256  string            `json:"sha256"` // of all lines before, in hexadecimal
}

type section struct {
	App string `json:"app"`
}

// writer writes an archive.
type writer struct {
	file  *os.File
	zip   *gzip.Writer
	out   *bufio.Writer // of lines, into sum and zip
	sum   hash.Hash
	items map[string]uint64
}

// create begins an archive. Only the owner may read the file: it has addresses and password hashes.
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

// add copies the stream of an app, which must be complete.
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

// finish writes the trailer and flushes everything to the disk.
func (w *writer) finish(s Summary) (t Trailer, err error) {
	if err := w.out.Flush(); err != nil {
		return t, err
	}
	t = Trailer{w.items, s, hex.EncodeToString(w.sum.Sum(nil))}
	if err := w.line(t); err != nil {
		return t, err
	}
	return t, errors.Join(w.out.Flush(), w.zip.Close(), w.file.Sync())
}
