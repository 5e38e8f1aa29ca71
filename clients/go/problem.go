package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Problem is the error of a request that the server refused or could not complete (RFC 9457). The gateway answers with
// one whenever the status is 400 or above.
type Problem struct {
	Type   string       `json:"type"` // URI; Name is its last segment
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"` // one sentence for a person
	Errors []FieldError `json:"errors"` // the inputs that are wrong

	Members map[string]json.RawMessage `json:"-"` // all members, including those of this type of problem only
	Header  http.Header                `json:"-"`
}

// FieldError names an input, such as body.lines[0].quantity, and says what is wrong with it.
type FieldError struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// Name identifies the kind of problem: it is the last segment of Type, such as out-of-stock.
func (p *Problem) Name() string { return p.Type[strings.LastIndex(p.Type, "/")+1:] }

// Error implements error.
func (p *Problem) Error() string {
	s := fmt.Sprintf("%d %s: %s", p.Status, p.Name(), p.Detail)
	for _, e := range p.Errors {
		s += fmt.Sprintf(" [%s: %s]", e.Location, e.Message)
	}
	return s
}

// Member decodes a member that only this type of problem has, such as lines of out-of-stock, into v. It returns an
// error if the member is missing or does not fit v.
func (p *Problem) Member(name string, v any) error {
	raw, ok := p.Members[name]
	if !ok {
		return fmt.Errorf("%w has no member %q", p, name)
	}
	return json.Unmarshal(raw, v)
}

// RetryAfter returns how long the server asks the client to wait before the next attempt; 0 if it does not say.
func (p *Problem) RetryAfter() time.Duration { return seconds(p.Header, "Retry-After") }

// temporary reports whether another attempt may succeed: after an outage, after too many requests, and while the first
// request with the same idempotency key is still in progress.
func (p *Problem) temporary() bool {
	switch p.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return p.RetryAfter() <= 5*time.Second // the caller decides about longer waits
	}
	return p.Name() == "request-in-progress"
}

// IsProblem reports whether err is, or wraps, a problem with this name.
func IsProblem(err error, name string) bool {
	var p *Problem
	return errors.As(err, &p) && p.Name() == name
}

// readProblem reads the problem in a response and closes its body. If the body is not a problem, for example because a
// proxy answered with a page, Detail is the beginning of its text.
func readProblem(res *http.Response) *Problem {
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	p := &Problem{}
	if json.Unmarshal(body, p) != nil || json.Unmarshal(body, &p.Members) != nil || p.Type == "" {
		p = &Problem{Type: "about:blank", Title: http.StatusText(res.StatusCode), Detail: fmt.Sprintf("%.200s", body)}
	}
	p.Status, p.Header = res.StatusCode, res.Header
	return p
}
