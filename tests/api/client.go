// Package api is a client of the public API for tests. It knows the API description and nothing of the services behind
// it. It does not repeat requests and does not follow redirects, so that a test sees every answer.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Client calls one shop as one caller. It is safe for concurrent use.
type Client struct {
	BaseURL string // of the gateway, without a slash at the end
	Token   string // access token; empty for a guest
	HTTP    *http.Client
	Header  map[string]string // of every request, such as the token of a sidecar

	// Check, if set, checks every answer; its error is the error of the call.
	Check func(Request, *Answer) error
}

// New returns a guest's client of the shop at baseURL.
func New(baseURL string) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return &Client{BaseURL: strings.TrimSuffix(baseURL, "/"), HTTP: &http.Client{
		Transport:     transport,
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// As returns a client with another access token; with an empty one, a guest's client.
func (c *Client) As(token string) *Client {
	other := *c
	other.Token = token
	return &other
}

// Request is one call. Path is sent unchanged, with escapes and dots. A Body of type string or []byte is sent
// unchanged, any other as JSON; nil sends none.
type Request struct {
	Method string
	Path   string // with query
	Header map[string]string
	Body   any
}

// Answer is an answer of any status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request. It fails only if there is no answer, or if Check fails.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	req, err := c.request(ctx, r)
	if err != nil {
		return nil, err
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: read answer: %w", r.Method, r.Path, err)
	}
	a := &Answer{Status: res.StatusCode, Header: res.Header, Body: body}
	if c.Check != nil {
		if err := c.Check(r, a); err != nil {
			return a, fmt.Errorf("%s %.100s: %w (answer %d: %.400s)", r.Method, r.Path, err, a.Status, a.Body)
		}
	}
	return a, nil
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	var body io.Reader
	switch b := r.Body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	case []byte:
		body = bytes.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, c.BaseURL+r.Path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for _, header := range []map[string]string{c.Header, r.Header} {
		for name, value := range header {
			req.Header.Set(name, value)
		}
	}
	return req, nil
}

// Decode reads the JSON of a successful answer into v. An answer of 300 and above is a *Problem.
func (a *Answer) Decode(v any) error {
	if a.Status >= 300 {
		return a.Problem()
	}
	if v == nil || len(a.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(a.Body, v); err != nil {
		return fmt.Errorf("decode %.300s: %w", a.Body, err)
	}
	return nil
}

// Problem is an error of the API in the format of RFC 9457.
type Problem struct {
	Type   string // URI
	Status int
	Detail string
	Errors []struct{ Location, Message string }

	Members map[string]json.RawMessage // all members, the standard ones included
	Header  http.Header
}

// Name is the last segment of the problem's type.
func (p *Problem) Name() string { return p.Type[strings.LastIndex(p.Type, "/")+1:] }

// Error implements error.
func (p *Problem) Error() string {
	return fmt.Sprintf("problem %d %s: %s %v", p.Status, p.Name(), p.Detail, p.Errors)
}

// Member decodes a member of the problem; a missing one is an error.
func (p *Problem) Member(name string, v any) error {
	raw, ok := p.Members[name]
	if !ok {
		return fmt.Errorf("%w has no member %q", p, name)
	}
	return json.Unmarshal(raw, v)
}

// Problem decodes the answer as a problem. If it is not of type problem+json, its body becomes the detail.
func (a *Answer) Problem() *Problem {
	p := &Problem{Header: a.Header}
	isProblem := a.Header.Get("Content-Type") == "application/problem+json" &&
		json.Unmarshal(a.Body, p) == nil && json.Unmarshal(a.Body, &p.Members) == nil
	if !isProblem {
		p.Detail = fmt.Sprintf("not a problem (%s): %.300s", a.Header.Get("Content-Type"), a.Body)
		p.Status = a.Status
	}
	return p
}

func get[T any](ctx context.Context, c *Client, path string, header map[string]string) (T, error) {
	return call[T](ctx, c, Request{Method: http.MethodGet, Path: path, Header: header})
}

func call[T any](ctx context.Context, c *Client, r Request) (v T, err error) {
	a, err := c.Do(ctx, r)
	if err != nil {
		return v, err
	}
	err = a.Decode(&v)
	if err != nil {
		err = fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	return v, err
}
