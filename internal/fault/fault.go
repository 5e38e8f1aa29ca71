// Package fault has the errors that clients may see. Each Error has a Kind, which is one HTTP status, and a type, which
// is one problem type of the public API (RFC 9457).
//
// Domain code returns faults, and internal/httpx turns them into problems. Any other error is answered with 500: its
// text is logged and never sent to the client.
package fault

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Kind classifies a failure by the client's possible reaction. It is an HTTP status by another name, so that the domain
// does not depend on HTTP.
type Kind int

// The kinds and their HTTP statuses.
const (
	Internal         Kind = iota // 500: a bug
	Malformed                    // 400: the request cannot be read
	Unauthenticated              // 401: the caller is not signed in
	PaymentRequired              // 402: the payment was declined
	Forbidden                    // 403: the caller is signed in, but not allowed
	NotFound                     // 404
	Conflict                     // 409: impossible in the current state
	Stale                        // 412: the resource has changed since it was read
	TooLarge                     // 413: the body is too large
	UnsupportedMedia             // 415: the body has another media type
	Invalid                      // 422: the request can be read, but a value is wrong
	ConditionMissing             // 428: If-Match is required
	TooMany                      // 429: too many requests
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

// Status returns the HTTP status of the kind.
func (k Kind) Status() int { return statuses[k] }

// KindOf returns the kind of an HTTP status: for an unknown one Internal if it is 5xx, otherwise Malformed.
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

// Field is one wrong input. It does not contain the value, which may be a password.
//
// The domain uses JSON paths within the request's body as locations, such as lines[0].quantity. The edge completes them
// to body.lines[0].quantity (see httpx.NewProblem). Locations in other parts of a request begin with the part:
// header.Idempotency-Key, query.limit, path.sku (see Relocate).
type Field struct {
	Location string `json:"location" doc:"The location of the invalid value, for example body.quantity"`
	Message  string `json:"message" doc:"Why the value is wrong"`
}

// Error is an error that the client sees. Make it with New. The methods that add something return a changed copy.
type Error struct {
	Kind       Kind
	Type       string         // the last segment of the problem's type URI, such as "out-of-stock"
	Detail     string         // one sentence for a person
	Fields     []Field        // the wrong inputs
	Members    map[string]any // additional members of the problem
	RetryAfter time.Duration  // when a repetition may succeed; zero if unknown
	cause      error          // is logged, and not sent to the client
}

// New makes an Error. typ is the last segment of the problem's type URI. detail is one sentence for the client, and a
// format string if there are args.
func New(kind Kind, typ, detail string, args ...any) *Error {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	return &Error{Kind: kind, Type: typ, Detail: detail}
}

// BadField makes an error for one wrong input: invalid-request (422).
func BadField(location, message string) *Error {
	return New(Invalid, "invalid-request", "The request is not valid.").WithField(location, message)
}

// Missing makes the error for a noun that does not exist: not-found (404).
func Missing(noun string) *Error {
	return New(NotFound, "not-found", "There is no such %s.", noun)
}

// Error implements error. The text is for logs.
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

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// MaxFields is how many wrong inputs an Error lists. The client chooses how many there are.
const MaxFields = 20

// WithField adds a wrong input. It ignores those after MaxFields.
func (e *Error) WithField(location, message string) *Error {
	if len(e.Fields) >= MaxFields {
		return e
	}
	c := *e
	c.Fields = append(append([]Field(nil), e.Fields...), Field{Location: location, Message: message})
	return &c
}

// With adds a member to the problem, for programs.
func (e *Error) With(name string, value any) *Error {
	c := *e
	c.Members = maps.Clone(e.Members)
	if c.Members == nil {
		c.Members = map[string]any{}
	}
	c.Members[name] = value
	return &c
}

// After sets when a repetition may succeed. It becomes the Retry-After header in whole seconds.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Because sets the cause, which is logged.
func (e *Error) Because(err error) *Error {
	c := *e
	c.cause = err
	return &c
}

// Is reports whether err is, or wraps, an Error of this problem type.
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

// Of returns the Error that err is or wraps. For any other error it makes an Internal one with err as the cause.
func Of(err error) *Error {
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	return New(Internal, "internal", "Something went wrong on our side.").Because(err)
}
