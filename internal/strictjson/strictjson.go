// Package strictjson decodes JSON that comes from outside, so that the values that are used are those that were
// validated. Names match exactly. An object with two members of the same name is refused at every depth, and so is text
// that is not UTF-8 (RFC 7493, I-JSON). With encoding/json, validation and use can differ: it ignores the case of names
// and takes the last of several members.
//
// It is the design of encoding/json/v2, which Go 1.26 has behind an experiment; this package uses the module that the
// experiment comes from.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Error says what is wrong with a JSON text. It names no type of Go and contains no value.
type Error struct {
	Location string // such as lines[0].sku; empty for the whole text
	Message  string // such as "expected a string"
}

// Error implements error.
func (e *Error) Error() string {
	if e.Location == "" {
		return e.Message
	}
	return e.Location + ": " + e.Message
}

// Messages of an Error with a location.
const (
	duplicate    = "is there more than once"
	unknown      = "unexpected property"
	wantsBool    = "expected true or false"
	wantsInteger = "expected a whole number in range"
	wantsNumber  = "expected a number"
	wantsString  = "expected a string"
	wantsList    = "expected a list"
	wantsObject  = "expected an object"
	invalid      = "is not valid"
)

// Parse returns the Error with this text. It is for a library that passes only the text of an error on.
func Parse(text string) *Error {
	for _, message := range []string{
		duplicate, unknown, wantsBool, wantsInteger, wantsNumber, wantsString, wantsList, wantsObject, invalid,
	} {
		if location, found := strings.CutSuffix(text, ": "+message); found {
			return &Error{location, message}
		}
	}
	return &Error{Message: text}
}

// MaxValues is how many values and names of members a text may have. The largest body of the API, a product
// with 100 variants, has about 4,200. The bound limits the work for a text: 1 MB could have half a million of them.
const MaxValues = 20_000

// Unmarshal decodes one JSON text into v. Error: *Error.
func Unmarshal(data []byte, v any) error { return unmarshal(data, v) }

// UnmarshalKnown is Unmarshal that also refuses members for which v has no field.
func UnmarshalKnown(data []byte, v any) error {
	return unmarshal(data, v, json.RejectUnknownMembers(true))
}

func unmarshal(data []byte, v any, options ...json.Options) error {
	if !utf8.Valid(data) {
		return &Error{Message: "is not valid UTF-8"}
	}
	if tooManyValues(data) {
		return &Error{Message: fmt.Sprintf("has more than %d values and names", MaxValues)}
	}
	err := json.Unmarshal(data, v, options...)
	if err == nil {
		return nil
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return &Error{locationOf(syntactic.JSONPointer), duplicate}
		}
		return &Error{Message: fmt.Sprintf("is not valid JSON (byte %d)", syntactic.ByteOffset+1)}
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return &Error{locationOf(semantic.JSONPointer), messageOf(semantic)}
	}
	return &Error{Message: invalid}
}

// tooManyValues reports whether a text has more than MaxValues values and names. It does not look at the rest of a text
// that is not valid.
func tooManyValues(data []byte) bool {
	if len(data) <= 2*MaxValues { // a value takes at least two bytes, with the comma or colon behind it
		return false
	}
	d := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true))
	for n := 0; n <= MaxValues; {
		token, err := d.ReadToken()
		if err != nil {
			return false
		}
		if kind := token.Kind(); kind != '}' && kind != ']' {
			n++
		}
	}
	return true
}

func messageOf(err *json.SemanticError) string {
	if errors.Is(err, json.ErrUnknownName) {
		return unknown
	}
	if err.GoType == nil {
		return invalid
	}
	switch err.GoType.Kind() {
	case reflect.Bool:
		return wantsBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return wantsInteger
	case reflect.Float32, reflect.Float64:
		return wantsNumber
	case reflect.String:
		return wantsString
	case reflect.Slice, reflect.Array:
		return wantsList
	case reflect.Map, reflect.Struct:
		return wantsObject
	}
	return invalid
}

// locationOf writes a JSON pointer (RFC 6901) as the location of a field, such as lines[0].sku.
func locationOf(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		switch _, err := strconv.Atoi(token); {
		case err == nil && b.Len() > 0:
			b.WriteString("[" + token + "]")
		case b.Len() > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
	}
	return b.String()
}
