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
	"maps"
	"os"
	"slices"

	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/transfer"
)

// ErrInvalid is returned for a file that is not an archive that can be imported.
var ErrInvalid = errors.New("this is not an export that can be imported")

// Check reads a whole archive and returns its first and its last line. It returns ErrInvalid if the file has another
// format or version, or is not complete.
func Check(path string) (Header, Trailer, error) {
	return read(path, func(string, []sidecar.Item) error { return nil })
}

// read reads a whole archive and calls handle with the items of each app, some at a time; the last call for an app may
// have none. It returns ErrInvalid as Check does. By then handle has had items of an incomplete archive, so call Check
// before.
func read(path string, handle func(app string, items []sidecar.Item) error) (h Header, t Trailer, err error) {
	file, err := os.Open(path)
	if err != nil {
		return h, t, err
	}
	defer file.Close()
	zip, err := gzip.NewReader(bufio.NewReaderSize(file, 64<<10))
	if err != nil {
		return h, t, fmt.Errorf("%w: %s is not a gzip file: %w", ErrInvalid, path, err)
	}
	r := &reader{lines: bufio.NewReaderSize(zip, 64<<10), sum: sha256.New()}
	h, t, err = r.read(handle)
	if handling := (handlingError{}); errors.As(err, &handling) {
		return h, t, handling.error
	}
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrInvalid, path, err)
	}
	return h, t, err
}

type reader struct {
	lines *bufio.Reader
	sum   hash.Hash
	n     int // lines read
}

// handlingError is an error of the function that handles the items: the file is valid so far.
type handlingError struct{ error }

func (r *reader) read(handle func(app string, items []sidecar.Item) error) (h Header, t Trailer, err error) {
	if err := r.decode(&h); err != nil {
		return h, t, err
	}
	switch {
	case h.Format != format:
		return h, t, errors.New("the file has another format")
	case h.Version != version:
		return h, t, fmt.Errorf("the file has version %d of the format, and this Haberdash reads version %d",
			h.Version, version)
	}
	items := map[string]uint64{}
	for {
		sum := hex.EncodeToString(r.sum.Sum(nil))
		text, err := r.line()
		if err != nil {
			return h, t, err
		}
		var s section
		if json.Unmarshal(text, &s) != nil {
			return h, t, fmt.Errorf("line %d is not valid", r.n)
		}
		if s.App != "" {
			if items[s.App], err = r.section(s.App, handle); err != nil {
				return h, t, err
			}
			continue
		}
		if json.Unmarshal(text, &t) != nil || t.SHA256 == "" {
			return h, t, fmt.Errorf("line %d is not valid", r.n)
		}
		if t.SHA256 != sum || !maps.Equal(t.Items, items) {
			return h, t, errors.New("the checksum is wrong: the file was altered or damaged")
		}
		return h, t, r.end(t)
	}
}

// end checks that only gzip's checksum follows the trailer, and that no app is missing.
func (r *reader) end(t Trailer) error {
	if _, err := r.lines.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("the file has more after its last line"), err)
	}
	for _, app := range roster.Exported() {
		if _, ok := t.Items[app]; !ok {
			return fmt.Errorf("the data of %s is missing", app)
		}
	}
	return nil
}

// Limits of one call of the function that handles the items. The body of an import may have transfer.MaxImport bytes.
const (
	batchItems = 200
	batchBytes = 512 << 10
)

// section reads the stream of one app.
func (r *reader) section(app string, handle func(app string, items []sidecar.Item) error) (n uint64, err error) {
	if !slices.Contains(roster.Exported(), app) {
		return 0, fmt.Errorf("the file has data of %q, an app that this Haberdash does not have", app)
	}
	var batch []sidecar.Item
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
			return n, fmt.Errorf("%s should have %d items and has %d", app, *total, n)
		case total == nil:
			batch, size = append(batch, item), size+len(item.Value)+len(item.Key)
		}
		if total != nil || len(batch) == batchItems || size > batchBytes {
			if err := handle(app, batch); err != nil {
				return n, handlingError{err}
			}
			batch, size = nil, 0
		}
		if total != nil {
			return n, nil
		}
	}
}

func (r *reader) line() ([]byte, error) {
	text, err := r.lines.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("the file ends after line %d: %w", r.n, err)
	}
	r.n++
	r.sum.Write(text)
	return text, nil
}

func (r *reader) decode(v any) error {
	text, err := r.line()
	if err == nil && json.Unmarshal(text, v) != nil {
		err = fmt.Errorf("line %d is not valid", r.n)
	}
	return err
}
