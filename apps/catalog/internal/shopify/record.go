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

// maxRecord is the length of a record in bytes. A quote that is not closed within it counts as a mistake.
const maxRecord = 256 << 10

// line is a physical line of the file.
type line struct {
	n    int // from 1
	text []byte
	long bool // longer than maxRecord, and cut
}

// records splits a CSV file (RFC 4180, with LF or CRLF) into records. A broken record does not break those after it:
// where encoding/csv would read everything up to the next quote as one field, records leaves out only the first line
// and reads the lines after it again.
type records struct {
	source *bufio.Reader
	n      int
	again  []line // are read again, in this order
	feed   *bytes.Reader
	csv    *csv.Reader
}

// record is a row of the file. If it cannot be parsed, broken says why.
type record struct {
	line   int
	fields []string
	broken string
	text   string // of the first line, if broken
}

func newRecords(r io.Reader) *records {
	s := &records{source: bufio.NewReaderSize(r, 64<<10), feed: bytes.NewReader(nil)}
	if bom, err := s.source.Peek(3); err == nil && string(bom) == "\uFEFF" {
		_, _ = s.source.Discard(3) // they are buffered
	}
	s.reset()
	return s
}

func (s *records) reset() {
	s.feed.Reset(nil)
	s.csv = csv.NewReader(s.feed)
	s.csv.FieldsPerRecord = -1
}

// next reads the next record that is not empty. It returns io.EOF at the end, and other errors as the source returns
// them.
func (s *records) next() (record, error) {
	for {
		first, err := s.line()
		if err != nil {
			return record{}, err
		}
		if len(bytes.Trim(first.text, ", \t\r\n")) == 0 && !first.long {
			continue
		}
		return s.readRecord(first)
	}
}

// readRecord reads lines until the quotes are balanced, and parses them.
func (s *records) readRecord(first line) (record, error) {
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
			return s.leaveOut(first, more, "a quoted field does not end, or the row is too long"), nil
		}
		more = append(more, next)
		text = append(text, next.text...)
		odd = odd != (bytes.Count(next.text, []byte{'"'})%2 == 1)
	}
	if !utf8.Valid(text) {
		return s.leaveOut(first, nil, "is not valid UTF-8"), nil
	}
	fields, err := s.parse(text)
	if err != nil {
		return s.leaveOut(first, more, "the quotes are wrong"), nil
	}
	return record{line: first.n, fields: fields}, nil
}

// leaveOut reports the first line as broken, and has the lines after it read again.
func (s *records) leaveOut(first line, more []line, reason string) record {
	s.again = append(more, s.again...)
	return record{line: first.n, broken: reason, text: strings.ToValidUTF8(string(first.text), "")}
}

func (s *records) parse(text []byte) ([]string, error) {
	s.feed.Reset(text)
	fields, err := s.csv.Read()
	if err == nil {
		_, err = s.csv.Read() // there must be no second record
		if err == io.EOF {
			return fields, nil
		}
		err = errors.Join(err, csv.ErrQuote)
	}
	s.reset()
	return nil, err
}

// line reads a physical line, with its line end.
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
