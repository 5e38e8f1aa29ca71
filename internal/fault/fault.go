// Package fault names the few kinds of failure that a client may see, and nothing else: each kind maps
// to one HTTP status (see Status) and each error to one problem type of the public API (RFC 9457).
//
// Domain code returns faults; the edge turns them into problems. Any other error is a bug or an outage:
// its text goes to the log, never to the client.
package fault

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Kind classifies a failure by what the client can do about it.
type Kind int

// The kinds, in the order of their HTTP statuses.
const (
	Internal         Kind = iota // 500: a bug
	Malformed                    // 400: not understood
	Unauthenticated              // 401: who are you?
	PaymentRequired              // 402: the payment was declined
	Forbidden                    // 403: known, but not allowed
	NotFound                     // 404
	Conflict                     // 409: impossible in the present state
	Stale                        // 412: the resource has changed since it was read
	TooLarge                     // 413
	UnsupportedMedia             // 415
	Invalid                      // 422: understood, but wrong
	ConditionMissing             // 428: If-Match is required
	TooMany                      // 429: slow down
	Unavailable                  // 503: try again later
)

var statuses = map[Kind]int{
	Internal: http.StatusInternalServerError, Malformed: http.StatusBadRequest,
	Unauthenticated: http.StatusUnauthorized, PaymentRequired: http.StatusPaymentRequired,
	Forbidden: http.StatusForbidden, NotFound: http.StatusNotFound, Conflict: http.StatusConflict,
	Stale: http.StatusPreconditionFailed, TooLarge: http.StatusRequestEntityTooLarge,
	UnsupportedMedia: http.StatusUnsupportedMediaType, Invalid: http.StatusUnprocessableEntity,
	ConditionMissing: http.StatusPreconditionRequired, TooMany: http.StatusTooManyRequests,
	Unavailable: http.StatusServiceUnavailable,
}

// Status is the HTTP status of a kind.
func (k Kind) Status() int { return statuses[k] }

// KindOf is the inverse of Status; an unknown status is Internal (5xx) or Malformed (the rest).
func KindOf(status int) Kind {
	for k, s := range statuses {
		if s == status {
			return k
		}
	}
	if status >= 500 {
		return Internal
	}
	return Malformed
}

// Field is one wrong input: its location and what is wrong with it. The value itself is not repeated: it may be a
// password.
//
// A location is a JSON path within the request's body, such as lines[0].quantity; the domain knows no other. The edge
// completes it to body.lines[0].quantity (see httpx.NewProblem), and names other parts of a request itself:
// header.Idempotency-Key, query.limit, path.sku.
type Field struct {
	Location string `json:"location" doc:"Where the wrong value stands, for example body.quantity"`
	Message  string `json:"message" doc:"What is wrong with it"`
}

// Error is a failure that the client is told of. Build it with New; the With methods return copies.
type Error struct {
	Kind       Kind
	Type       string         // the last segment of the problem's type URI, such as "out-of-stock"
	Detail     string         // one sentence for a person
	Fields     []Field        // the inputs to blame
	Members    map[string]any // further members of the problem
	RetryAfter time.Duration  // when a repetition may succeed; zero says nothing
	cause      error
}

// New makes a fault. typ ends the problem's type URI; detail is one sentence shown to the client.
func New(kind Kind, typ, detail string, args ...any) *Error {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	return &Error{Kind: kind, Type: typ, Detail: detail}
}

// BadField is an Invalid fault of type "invalid-request" for one input.
func BadField(location, message string) *Error {
	return New(Invalid, "invalid-request", "The request is not valid.").WithField(location, message)
}

// Missing is the NotFound fault of a noun: type "not-found".
func Missing(noun string) *Error {
	return New(NotFound, "not-found", "There is no such %s.", noun)
}

// Error implements error; the text is for logs.
func (e *Error) Error() string {
	s := e.Type + ": " + e.Detail
	for _, f := range e.Fields {
		s += fmt.Sprintf(" [%s: %s]", f.Location, f.Message)
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// WithField adds one more wrong input.
func (e *Error) WithField(location, message string) *Error {
	c := *e
	c.Fields = append(append([]Field(nil), e.Fields...), Field{Location: location, Message: message})
	return &c
}

// With adds a machine-readable member to the problem.
func (e *Error) With(name string, value any) *Error {
	c := *e
	c.Members = maps.Clone(e.Members)
	if c.Members == nil {
		c.Members = map[string]any{}
	}
	c.Members[name] = value
	return &c
}

// After says when a repetition may succeed; it becomes the Retry-After header in whole seconds.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Because records the cause for the log.
func (e *Error) Because(err error) *Error {
	c := *e
	c.cause = err
	return &c
}

// Is reports whether err is, or wraps, a fault of this problem type.
func Is(err error, typ string) bool {
	var f *Error
	return errors.As(err, &f) && f.Type == typ
}

// Relocate returns err with another location for its wrong inputs at the location from. The edge uses it for a member
// that is not in the body of its request: the domain says sku, the client sent path.sku.
func Relocate(err error, from, to string) error {
	var f *Error
	if !errors.As(err, &f) {
		return err
	}
	c := *f
	c.Fields = slices.Clone(f.Fields)
	for i := range c.Fields {
		if c.Fields[i].Location == from {
			c.Fields[i].Location = to
		}
	}
	return &c
}

// Of gives the fault in err's chain, or an Internal one that hides err behind a general sentence.
func Of(err error) *Error {
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	return New(Internal, "internal", "Something went wrong on our side.").Because(err)
}
