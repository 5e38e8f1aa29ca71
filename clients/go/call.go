package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"time"
)

// maxAttempts is how often the client sends a request that is safe to repeat and fails for a temporary reason.
const maxAttempts = 3

// request is one call of an operation.
type request struct {
	method, path string
	params       url.Values
	headers      http.Header
	body         any       // sent as JSON; nil for none
	stream       io.Reader // sent unchanged instead of body; cannot be sent a second time
}

func newRequest(method, path string) *request {
	headers := http.Header{"Accept": {"application/json"}}
	return &request{method: method, path: path, params: url.Values{}, headers: headers}
}

// query adds a parameter to the query, unless it is empty.
func (r *request) query(name string, value any) {
	if s := formatParam(value); s != "" {
		r.params.Set(name, s)
	}
}

// header sets a header, unless the value is empty. If the caller has given no idempotency key, header makes one, which
// is the same in all attempts of this call.
func (r *request) header(name string, value any) {
	s := formatParam(value)
	if s == "" && name == "Idempotency-Key" {
		s = rand.Text()
	}
	if s != "" {
		r.headers.Set(name, s)
	}
}

// formatParam formats a parameter. A nil pointer and an empty string give "", which is not sent.
func formatParam(value any) string {
	v := reflect.ValueOf(value)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}

// repeatable reports whether the request has the same effect when it is sent twice as when it is sent once.
func (r *request) repeatable() bool {
	return r.stream == nil && (r.method == http.MethodGet || r.headers.Get("Idempotency-Key") != "")
}

// call sends a request and decodes the response. If the server has answered with a problem, the error is a *Problem.
func call[T any](ctx context.Context, c *Client, r *request) (*Answer[T], error) {
	res, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a := &Answer[T]{Status: res.StatusCode, Header: res.Header}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: read the response: %w", r.method, r.path, err)
	}
	if len(body) == 0 {
		return a, nil
	}
	if err := json.Unmarshal(body, &a.Value); err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	return a, nil
}

// send sends a request. If it is safe to repeat, send repeats it when there was no response and after temporary
// problems.
func (c *Client) send(ctx context.Context, r *request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		res, err := c.sendAuthorized(ctx, r)
		pause := time.Duration(attempt) * 200 * time.Millisecond
		if err == nil {
			if res.StatusCode < 300 || res.StatusCode == http.StatusNotModified {
				return res, nil
			}
			p := readProblem(res)
			if err = p; !p.temporary() {
				return nil, err
			}
			pause = max(pause, p.RetryAfter())
		}
		var p *Problem
		final := errors.As(err, &p) && !p.temporary() // the session has ended
		if attempt == maxAttempts || !r.repeatable() || final || ctx.Err() != nil || c.wait(ctx, pause) != nil {
			return nil, err
		}
	}
}

// sendAuthorized sends a request with the access token of the session. If the server refuses the token (401), it
// refreshes the token and sends the request again: the refused request has changed nothing.
func (c *Client) sendAuthorized(ctx context.Context, r *request) (*http.Response, error) {
	if c.session == nil {
		return c.sendOnce(ctx, r, "")
	}
	token, err := c.session.accessToken(ctx, c, "")
	if err != nil {
		return nil, err
	}
	res, err := c.sendOnce(ctx, r, token)
	if err != nil || res.StatusCode != http.StatusUnauthorized || r.stream != nil {
		return res, err
	}
	p := readProblem(res)
	if token, err = c.session.accessToken(ctx, c, token); err != nil {
		return nil, errors.Join(err, p)
	}
	return c.sendOnce(ctx, r, token)
}

func (c *Client) sendOnce(ctx context.Context, r *request, token string) (*http.Response, error) {
	body := r.stream
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
		r.headers.Set("Content-Type", "application/json")
	}
	address := c.baseURL + r.path
	if len(r.params) > 0 {
		address += "?" + r.params.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, err
	}
	req.Header = r.headers.Clone()
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return c.http.Do(req)
}

// seconds reads a header whose value is a number of seconds; 0 if it is missing or not a number.
func seconds(h http.Header, name string) time.Duration {
	n, _ := strconv.Atoi(h.Get(name))
	return time.Duration(n) * time.Second
}
