// Package client calls a Haberdash shop over its public API. Its types and the method of each operation are generated
// from api/openapi.json; what is written by hand makes errors of problems (RFC 9457), keeps a session signed in, and
// repeats what may be repeated.
package client

//go:generate go -C gen run . ../../../api/openapi.json ../generated.go

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// Client calls one shop as one caller: a guest, or whoever a session belongs to. It is safe for concurrent use.
type Client struct {
	baseURL string
	http    *http.Client
	session *session // nil: a guest
	wait    func(context.Context, time.Duration) error
}

// New makes a guest's client of the shop whose gateway is at baseURL. A nil h is one with a timeout of 35 seconds, which
// is more than the shop takes.
func New(baseURL string, h *http.Client) *Client {
	if h == nil {
		h = &http.Client{Timeout: 35 * time.Second}
	}
	return &Client{baseURL: strings.TrimSuffix(baseURL, "/"), http: h, wait: sleep}
}

// Answer is a success: what came back and what the header says of it.
type Answer[T any] struct {
	Value  T // zero for 204 and 304
	Status int
	Header http.Header
}

// ETag is the version that was read, as If-Match takes it.
func (a *Answer[T]) ETag() string { return a.Header.Get("ETag") }

// Replayed tells that this is the answer to an earlier request with the same idempotency key.
func (a *Answer[T]) Replayed() bool { return a.Header.Get("Idempotent-Replayed") == "true" }

// NotModified tells that If-None-Match named the present version, so there is no value (304).
func (a *Answer[T]) NotModified() bool { return a.Status == http.StatusNotModified }

// Ptr is a pointer to a value, for members and parameters where the zero value means something.
func Ptr[T any](v T) *T { return &v }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
