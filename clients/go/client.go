// Package client calls the public API of Haberdash.
//
// It has more than 700 lines because generated.go, about 2,200 of its 2,700 lines, is generated: the generator in
// clients/go/gen writes the types and one method for each operation from api/openapi.json. The code that is written by
// hand turns problems (RFC 9457) into errors, refreshes the access token of a session, and repeats requests that are
// safe to repeat.
package client

//go:generate go -C gen run . ../../../api/openapi.json ../generated.go

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// Client calls one gateway as one caller: as a guest, or as the user of a session. It is safe for concurrent use.
type Client struct {
	baseURL string
	http    *http.Client
	session *session // nil for a guest
	wait    func(context.Context, time.Duration) error
}

// New returns a client for a guest. baseURL is the address of the gateway, such as https://shop.example. If h is nil,
// the client uses an http.Client with a timeout of 35 seconds, which is longer than any operation takes.
func New(baseURL string, h *http.Client) *Client {
	if h == nil {
		h = &http.Client{Timeout: 35 * time.Second}
	}
	return &Client{baseURL: strings.TrimSuffix(baseURL, "/"), http: h, wait: sleep}
}

// Answer is the response to a request that succeeded.
type Answer[T any] struct {
	Value  T // the decoded body; the zero value if there is none
	Status int
	Header http.Header
}

// ETag returns the version of the resource. Send it as If-Match to change that version only.
func (a *Answer[T]) ETag() string { return a.Header.Get("ETag") }

// Replayed reports whether this is the stored answer to an earlier request with the same idempotency key.
func (a *Answer[T]) Replayed() bool { return a.Header.Get("Idempotent-Replayed") == "true" }

// NotModified reports whether If-None-Match named the current version (304). Value is then the zero value.
func (a *Answer[T]) NotModified() bool { return a.Status == http.StatusNotModified }

// Ptr returns a pointer to v, for optional members and parameters whose zero value has a meaning of its own.
func Ptr[T any](v T) *T { return &v }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
