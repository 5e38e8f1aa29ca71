package httpx

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"haberdash/internal/fault"
	"haberdash/internal/strictjson"
)

// newHumaError replaces huma.NewError. It makes a problem of a request that huma refuses itself: a body that is not
// JSON, an input that is not valid, an unknown media type.
func newHumaError(status int, msg string, errs ...error) huma.StatusError {
	for _, err := range errs {
		var p *Problem
		if errors.As(err, &p) {
			return p
		}
	}
	if status == http.StatusInternalServerError {
		return NewProblem(errors.Join(errs...)) // which does not show the texts of the errors
	}
	f := fault.New(fault.KindOf(status), problemType(status), sentence(msg))
	f.Fields = fieldsOf(errs)
	if len(errs) > fault.MaxFields {
		f.Detail += fmt.Sprintf(" These are %d of %d errors.", fault.MaxFields, len(errs))
	}
	if len(f.Fields) == 0 && strings.HasPrefix(msg, "request body ") { // the body is missing or too large
		f = f.WithField("body", strings.TrimPrefix(msg, "request body "))
	}
	p := NewProblem(f)
	p.Status, p.Title = status, http.StatusText(status)
	return p
}

// fieldsOf lists at most fault.MaxFields of huma's errors.
func fieldsOf(errs []error) (fields []fault.Field) {
	for _, err := range errs[:min(len(errs), fault.MaxFields)] {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			fields = append(fields, fieldOf(d.ErrorDetail()))
		} else if err != nil {
			fields = append(fields, fault.Field{Location: "body", Message: err.Error()})
		}
	}
	return fields
}

// fieldOf returns the wrong input of one of huma's errors. An error of strictjson arrives with the location in its
// text.
func fieldOf(d *huma.ErrorDetail) fault.Field {
	location, message := locationOf(d), d.Message
	if location == "body" {
		if e := strictjson.Parse(message); e.Location != "" {
			location, message = "body."+e.Location, e.Message
		}
	}
	return fault.Field{Location: shortened(location), Message: message}
}

// maxLocation bounds a location, in bytes. The client chooses the names of members.
const maxLocation = 200

func shortened(location string) string {
	if len(location) <= maxLocation {
		return location
	}
	return strings.ToValidUTF8(location[:maxLocation], "") + "…"
}

// Huma's message for a missing member, before and after the member's name.
var missingBefore, missingAfter, _ = strings.Cut(validation.MsgExpectedRequiredProperty, "%s")

// locationOf returns the location of a wrong input. For a missing member, huma gives the location of the object and
// only its message names the member.
func locationOf(d *huma.ErrorDetail) string {
	name, before := strings.CutPrefix(d.Message, missingBefore)
	if name, after := strings.CutSuffix(name, missingAfter); before && after {
		return d.Location + "." + name
	}
	return d.Location
}

func problemType(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "malformed-request"
	case http.StatusUnprocessableEntity:
		return "invalid-request"
	case http.StatusRequestEntityTooLarge:
		return "body-too-large"
	case http.StatusRequestTimeout:
		return "request-timeout"
	}
	return strings.ToLower(strings.ReplaceAll(http.StatusText(status), " ", "-"))
}

// sentence makes a sentence of one of huma's messages.
func sentence(msg string) string {
	if msg == "" {
		return msg
	}
	return strings.ToUpper(msg[:1]) + strings.TrimSuffix(msg[1:], ".") + "."
}
