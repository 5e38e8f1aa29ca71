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

// attempts is how often a request is made at most, if it may be repeated and the answer may change.
const attempts = 3

// request is one call of an operation.
type request struct {
	method, path string
	params       url.Values
	headers      http.Header
	body         any       // sent as JSON, unless nil
	stream       io.Reader // sent as it is, once
}

func newRequest(method, path string) *request {
	return &request{method: method, path: path, params: url.Values{}, headers: http.Header{"Accept": {"application/json"}}}
}

func (r *request) query(name string, value any) {
	if s := text(value); s != "" {
		r.params.Set(name, s)
	}
}

// header sets a parameter that goes into the header. An idempotency key is made if the caller gives none: it is the
// same for all attempts of this call.
func (r *request) header(name string, value any) {
	s := text(value)
	if s == "" && name == "Idempotency-Key" {
		s = rand.Text()
	}
	if s != "" {
		r.headers.Set(name, s)
	}
}

// text writes a parameter; a nil pointer and an empty text are none.
func text(value any) string {
	v := reflect.ValueOf(value)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}

// repeatable tells whether a second request does no more than the first.
func (r *request) repeatable() bool {
	return r.stream == nil && (r.method == http.MethodGet || r.headers.Get("Idempotency-Key") != "")
}

// call makes a request and reads its answer. The error is a *Problem, unless no answer came.
func call[T any](ctx context.Context, c *Client, r *request) (*Answer[T], error) {
	res, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a := &Answer[T]{Status: res.StatusCode, Header: res.Header}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: read answer: %w", r.method, r.path, err)
	}
	if len(body) == 0 {
		return a, nil
	}
	if err := json.Unmarshal(body, &a.Value); err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	return a, nil
}

// send makes a request, again where that may help: when no answer came, when the shop asks to come back, and once
// with another access token.
func (c *Client) send(ctx context.Context, r *request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		res, err := c.authorized(ctx, r)
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
		ours := errors.As(err, &p) && !p.temporary() // a session that is over
		if attempt == attempts || !r.repeatable() || ours || ctx.Err() != nil || c.wait(ctx, pause) != nil {
			return nil, err
		}
	}
}

// authorized makes a request with the session's access token; a refused token is exchanged, and the request made once
// more: a refusal has changed nothing.
func (c *Client) authorized(ctx context.Context, r *request) (*http.Response, error) {
	if c.session == nil {
		return c.once(ctx, r, "")
	}
	token, err := c.session.token(ctx, c, "")
	if err != nil {
		return nil, err
	}
	res, err := c.once(ctx, r, token)
	if err != nil || res.StatusCode != http.StatusUnauthorized || r.stream != nil {
		return res, err
	}
	p := readProblem(res)
	if token, err = c.session.token(ctx, c, token); err != nil {
		return nil, errors.Join(err, p)
	}
	return c.once(ctx, r, token)
}

func (c *Client) once(ctx context.Context, r *request, token string) (*http.Response, error) {
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

// seconds reads a header that counts them.
func seconds(h http.Header, name string) time.Duration {
	n, _ := strconv.Atoi(h.Get(name))
	return time.Duration(n) * time.Second
}
