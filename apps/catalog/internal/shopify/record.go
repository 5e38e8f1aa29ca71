package shopify

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// maxRecord is the longest record in bytes: what a lost quote may swallow before it is called lost.
const maxRecord = 256 << 10

// line is one physical line of the file.
type line struct {
	n    int // from 1
	text []byte
	long bool // cut: longer than maxRecord
}

// records splits a CSV file (RFC 4180, LF or CRLF) into records and survives broken ones: where
// encoding/csv would take everything up to the next quote for one field, only the first line of it is given
// up and the lines after it are read again.
type records struct {
	source *bufio.Reader
	n      int
	again  []line // to be read again, first one first
	feed   *bytes.Reader
	csv    *csv.Reader
}

// record is one row; broken says why there are no fields.
type record struct {
	line   int
	fields []string
	broken string
	text   string // of a broken one
}

func newRecords(r io.Reader) *records {
	s := &records{source: bufio.NewReaderSize(r, 64<<10), feed: bytes.NewReader(nil)}
	if bom, err := s.source.Peek(3); err == nil && string(bom) == "\uFEFF" {
		s.source.Discard(3)
	}
	s.reset()
	return s
}

func (s *records) reset() {
	s.feed.Reset(nil)
	s.csv = csv.NewReader(s.feed)
	s.csv.FieldsPerRecord = -1
}

// next reads a record that is not empty; io.EOF at the end. Other errors are the source's.
func (s *records) next() (record, error) {
	for {
		first, err := s.line()
		if err != nil {
			return record{}, err
		}
		if len(bytes.Trim(first.text, ", \t\r\n")) == 0 && !first.long {
			continue
		}
		return s.complete(first)
	}
}

// complete adds lines until the quotes are balanced, and parses.
func (s *records) complete(first line) (record, error) {
	text := first.text
	var more []line
	for odd := bytes.Count(text, []byte{'"'})%2 == 1; odd || first.long; {
		var next line
		var err error
		if !first.long && len(text) <= maxRecord {
			next, err = s.line()
		}
		if err != nil && err != io.EOF {
			return record{}, err
		}
		if err == io.EOF || next.text == nil || next.long {
			if next.text != nil {
				more = append(more, next)
			}
			return s.give(first, more, "a quoted field does not end, or the row is too long"), nil
		}
		more = append(more, next)
		text = append(text, next.text...)
		odd = odd != (bytes.Count(next.text, []byte{'"'})%2 == 1)
	}
	if !utf8.Valid(text) {
		return s.give(first, nil, "is not valid UTF-8"), nil
	}
	fields, err := s.parse(text)
	if err != nil {
		return s.give(first, more, "the quotes are wrong"), nil
	}
	return record{line: first.n, fields: fields}, nil
}

// give gives up the first line only.
func (s *records) give(first line, more []line, reason string) record {
	s.again = append(more, s.again...)
	return record{line: first.n, broken: reason, text: strings.ToValidUTF8(string(first.text), "")}
}

func (s *records) parse(text []byte) ([]string, error) {
	s.feed.Reset(text)
	fields, err := s.csv.Read()
	if err == nil {
		_, err = s.csv.Read() // one record, and no more
		if err == io.EOF {
			return fields, nil
		}
		err = errors.Join(err, csv.ErrQuote)
	}
	s.reset()
	return nil, err
}

// line reads a physical line with its end.
func (s *records) line() (line, error) {
	if len(s.again) > 0 {
		l := s.again[0]
		s.again = s.again[1:]
		return l, nil
	}
	l := line{n: s.n + 1}
	for {
		part, err := s.source.ReadSlice('\n')
		if len(l.text)+len(part) <= maxRecord {
			l.text = append(l.text, part...)
		} else {
			l.long = true
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && (len(l.text) > 0 || l.long):
		case err != nil:
			return line{}, err
		}
		s.n++
		return l, nil
	}
}
