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

// Problem is a refusal or a failure as RFC 9457 words it; what the shop answers with any status of 400 and above.
type Problem struct {
	Type   string       `json:"type"` // URI; Name is its last segment
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"` // one sentence for a person
	Errors []FieldError `json:"errors"` // the inputs to blame

	Members map[string]json.RawMessage `json:"-"` // all members, also those that only this type of problem has
	Header  http.Header                `json:"-"`
}

// FieldError names an input, such as body.lines[0].quantity, and what is wrong with it.
type FieldError struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// Name is what tells problems apart: the last segment of the type, such as out-of-stock.
func (p *Problem) Name() string { return p.Type[strings.LastIndex(p.Type, "/")+1:] }

// Error implements error.
func (p *Problem) Error() string {
	s := fmt.Sprintf("%d %s: %s", p.Status, p.Name(), p.Detail)
	for _, e := range p.Errors {
		s += fmt.Sprintf(" [%s: %s]", e.Location, e.Message)
	}
	return s
}

// Member decodes a member that this type of problem has, such as lines of out-of-stock. It fails if it is missing.
func (p *Problem) Member(name string, v any) error {
	raw, ok := p.Members[name]
	if !ok {
		return fmt.Errorf("%w has no member %q", p, name)
	}
	return json.Unmarshal(raw, v)
}

// RetryAfter is when the shop suggests to come back; 0 if it does not.
func (p *Problem) RetryAfter() time.Duration { return seconds(p.Header, "Retry-After") }

// temporary problems are worth another attempt: an outage, too many requests, and a first request that is under way.
func (p *Problem) temporary() bool {
	switch p.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return p.RetryAfter() <= 5*time.Second // longer ones are the caller's to wait for
	}
	return p.Name() == "request-in-progress"
}

// IsProblem tells whether err is, or wraps, a problem of this name.
func IsProblem(err error, name string) bool {
	var p *Problem
	return errors.As(err, &p) && p.Name() == name
}

// readProblem reads and closes an answer. What is no problem, such as a proxy's page, has its text as detail.
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
