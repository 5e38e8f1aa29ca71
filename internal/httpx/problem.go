package httpx

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"haberdash/internal/fault"
)

// ProblemBase starts the type URI of every problem; the fault's type ends it.
const ProblemBase = "https://haberdash.dev/problems/"

// Problem is an RFC 9457 problem. Members are written beside the standard ones.
type Problem struct {
	Type    string         `json:"type" doc:"Stable URI that names the problem" example:"https://haberdash.dev/problems/out-of-stock"`
	Title   string         `json:"title" doc:"The HTTP status in words"`
	Status  int            `json:"status" doc:"The HTTP status"`
	Detail  string         `json:"detail,omitempty" doc:"What went wrong, in a sentence"`
	Errors  []fault.Field  `json:"errors,omitempty" doc:"The inputs that are wrong"`
	Members map[string]any `json:"-"`
	_       struct{}       `additionalProperties:"true"`

	headers    http.Header
	retryAfter int // seconds
	cause      error
}

// NewProblem is how a fault looks from outside. Nothing of the fault's cause is in it.
func NewProblem(err error) *Problem {
	f := fault.Of(err)
	p := &Problem{
		Type: ProblemBase + f.Type, Title: http.StatusText(f.Kind.Status()), Status: f.Kind.Status(),
		Detail: f.Detail, Errors: locate(f.Fields), Members: f.Members, cause: err,
	}
	if f.RetryAfter > 0 {
		p.retryAfter = int(math.Ceil(f.RetryAfter.Seconds()))
	}
	return p
}

// Error implements error.
func (p *Problem) Error() string { return p.Type + ": " + p.Detail }

// Unwrap gives the fault the problem was made of.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// WithHeader adds a header to the answer.
func (p *Problem) WithHeader(name, value string) *Problem {
	if p.headers == nil {
		p.headers = http.Header{}
	}
	p.headers.Set(name, value)
	return p
}

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := p.headers.Clone()
	if h == nil {
		h = http.Header{}
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="haberdash"`)
	}
	return h
}

// MarshalJSON writes the members beside the standard ones; a standard name is never overwritten.
func (p *Problem) MarshalJSON() ([]byte, error) {
	m := make(map[string]any, len(p.Members)+5)
	for k, v := range p.Members {
		m[k] = v
	}
	m["type"], m["title"], m["status"] = p.Type, p.Title, p.Status
	if p.Detail != "" {
		m["detail"] = p.Detail
	}
	if len(p.Errors) > 0 {
		m["errors"] = p.Errors
	}
	return json.Marshal(m)
}

// WriteProblem answers with err as a problem, for handlers outside huma.
func WriteProblem(w http.ResponseWriter, err error) { NewProblem(err).Write(w) }

// Write answers with the problem.
func (p *Problem) Write(w http.ResponseWriter) {
	body, _ := json.Marshal(p)
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	w.Write(body)
}

// problemOf replaces huma's own error model, so that what huma refuses (bad JSON, failed validation,
// wrong media type) looks like every other problem.
func problemOf(status int, msg string, errs ...error) huma.StatusError {
	for _, err := range errs {
		var p *Problem
		if errors.As(err, &p) {
			return p
		}
	}
	if status == http.StatusInternalServerError {
		return NewProblem(errors.Join(errs...)) // the texts stay in the log
	}
	f := fault.New(fault.KindOf(status), typeOf(status), sentence(msg))
	for _, err := range errs {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			detail := d.ErrorDetail()
			f = f.WithField(locationOf(detail), detail.Message)
		} else if err != nil {
			f = f.WithField("body", err.Error())
		}
	}
	if len(f.Fields) == 0 && strings.HasPrefix(msg, "request body ") { // missing or too large
		f = f.WithField("body", strings.TrimPrefix(msg, "request body "))
	}
	p := NewProblem(f)
	p.Status, p.Title = status, http.StatusText(status)
	return p
}

// locate completes locations within the body: see fault.Field.
func locate(fields []fault.Field) []fault.Field {
	located := slices.Clone(fields)
	for i, f := range located {
		if !complete.MatchString(f.Location) {
			located[i].Location = "body." + f.Location
		}
	}
	return located
}

// complete matches a location that says in which part of the request it is.
var complete = regexp.MustCompile(`^(body|header|query|path)($|[.\[])`)

// locationOf is the location of a missing member itself: huma gives that of the object that lacks it, and names the
// member in the message only.
func locationOf(d *huma.ErrorDetail) string {
	name, ok := strings.CutPrefix(d.Message, missingBefore)
	if name, after := strings.CutSuffix(name, missingAfter); ok && after {
		return d.Location + "." + name
	}
	return d.Location
}

// Huma's message for a missing member, around its name.
var missingBefore, missingAfter, _ = strings.Cut(validation.MsgExpectedRequiredProperty, "%s")

func typeOf(status int) string {
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

func sentence(msg string) string {
	if msg == "" {
		return msg
	}
	return strings.ToUpper(msg[:1]) + strings.TrimSuffix(msg[1:], ".") + "."
}
