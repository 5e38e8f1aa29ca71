// Package docs serves the API's documentation: the OpenAPI document, merged from those of the services, a page that
// shows it, and an index of the public address.
package docs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/singleflight"

	"haberdash/apps/gateway/internal/apidoc"
	"haberdash/apps/gateway/service/protection"
	"haberdash/internal/httpx"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry/field"
)

const (
	lifetime    = time.Minute // how long the merged document is served before the services are asked again
	retryTime   = time.Second // how long no service is asked after one had no document
	fetchTime   = 3 * time.Second
	maxDocument = 8 << 20 // bytes
	maxJoined   = 1 << 20 // bytes of the document of an app that has joined
)

// Options of a Handler.
type Options struct {
	Apps    []string // whose documents are merged, in this order
	Joined  roster.JoinedApps
	Public  func(app, path string) bool
	Invoker sidecar.Invoker
	Now     func() time.Time
	Own     json.RawMessage // the gateway's own document; may be nil
	Log     zerolog.Logger
}

// Handler serves the documentation. A service that does not answer keeps the part that it had in the document.
// An app that has joined the shop is left out while it has no document that can be shown.
// A Handler is safe for concurrent use.
type Handler struct {
	Options
	flight singleflight.Group

	mu       sync.Mutex
	parts    map[string]apidoc.Document
	document *document
	err      error
	expires  time.Time
}

// document is the merged document in the two forms that are served.
type document struct {
	json, page []byte
	etag       string // weak, because the answer may be compressed
}

// New returns a handler that asks the services for their documents when it is asked first.
func New(o Options) *Handler { return &Handler{Options: o, parts: map[string]apidoc.Document{}} }

// load returns the merged document. Problem: unavailable (503), while a service has never given its document.
func (h *Handler) load(ctx context.Context) (*document, error) {
	h.mu.Lock()
	doc, err, fresh := h.document, h.err, h.Now().Before(h.expires)
	h.mu.Unlock()
	if fresh {
		return doc, err
	}
	v, err, _ := h.flight.Do("", func() (any, error) { return h.refresh(context.WithoutCancel(ctx)) })
	return v.(*document), err
}

func (h *Handler) refresh(ctx context.Context) (*document, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	var wait sync.WaitGroup
	for _, app := range h.Apps {
		wait.Go(func() {
			request := sidecar.Request{App: app, Method: http.MethodGet, Path: "/openapi.json"}
			if doc, err := h.fetch(ctx, request, maxDocument); err == nil {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.parts[app] = doc
			}
		})
	}
	for _, app := range h.Joined {
		if len(app.Serves) > 0 {
			wait.Go(func() { h.fetchJoined(ctx, app) })
		}
	}
	wait.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.document, h.err, h.expires = nil, nil, h.Now().Add(lifetime)
	var sources []apidoc.Source
	for _, app := range h.Apps {
		if h.parts[app] == nil {
			h.err, h.expires = protection.Unavailable(app, retryTime, nil), h.Now().Add(retryTime)
			return nil, h.err
		}
		sources = append(sources, apidoc.Source{Service: app, Doc: h.parts[app]})
	}
	if h.Own != nil {
		doc, err := apidoc.Parse(h.Own)
		if err != nil {
			return nil, err
		}
		sources = append(sources, apidoc.Source{Service: gateway, Doc: doc})
	}
	for _, app := range h.Joined {
		if doc := h.parts[app.App]; doc != nil {
			sources = append(sources, apidoc.Source{Service: app.App, Doc: doc, Joined: true})
		}
	}
	public := func(app, path string) bool { return app == gateway || h.Public(app, path) }
	merged := apidoc.Merge("Haberdash", httpx.Version, sources, public)
	apidoc.Introduce(merged, about, tags)
	h.document, h.err = render(merged)
	return h.document, h.err
}

// gateway is the name of the gateway among the apps whose documents are merged.
const gateway = "gateway"

const about = "A shop: products and stock, carts, orders with payment, accounts. " +
	"Money is integer minor units with a currency. Lists are paged by cursor. " +
	"Errors are problems (RFC 9457); the last segment of a problem's type tells them apart. " +
	"Changes to carts and products send the version that they change in If-Match. " +
	"Operations that must not run twice take an Idempotency-Key."

var tags = []apidoc.Tag{
	{Name: "Catalog", Description: "Products, categories and pictures"},
	{Name: "Stock", Description: "Stock levels and their history"},
	{Name: "Cart", Description: "Carts, priced at today's prices"},
	{Name: "Orders", Description: "Placing orders, and what buyers may do with them"},
	{Name: "Fulfilment", Description: "What staff do with orders"},
	{Name: "Sign-in", Description: "Accounts, sessions and the tokens that prove them"},
	{Name: "Me", Description: "The caller's own account"},
	{Name: "Administration", Description: "Other people's accounts"},
	{Name: "Operations", Description: "Running the shop"},
}

// fetchJoined fetches the document of an app that has joined. It keeps the document only if it can be shown by itself,
// so that it does not spoil that of the shop.
func (h *Handler) fetchJoined(ctx context.Context, app roster.Joined) {
	doc, err := h.fetch(ctx, sidecar.Request{App: app.App, Method: http.MethodGet, Path: app.OpenAPI}, maxJoined)
	if err == nil {
		err = showable(apidoc.Source{Service: app.App, Doc: doc, Joined: true}, h.Public)
	}
	if err != nil {
		h.Log.Warn().Err(err).Str(field.Upstream, app.App).Msg("the API document leaves out an app that has joined")
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts[app.App] = doc
}

// showable returns an error if a document cannot be merged and rendered. The merge reads whatever a stranger's program
// has written, so it may also panic.
func showable(s apidoc.Source, public func(app, path string) bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the document cannot be shown: %v", p)
		}
	}()
	_, err = render(apidoc.Merge(s.Service, httpx.Version, []apidoc.Source{s}, public))
	return err
}

func (h *Handler) fetch(ctx context.Context, from sidecar.Request, limit int64) (apidoc.Document, error) {
	res, err := h.Invoker.Invoke(ctx, from)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, limit))
	if err != nil {
		return nil, err
	}
	if res.Status != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", from.App, res.Status)
	}
	return apidoc.Parse(body)
}

func render(doc apidoc.Document) (*document, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	page, err := apidoc.Page(doc)
	if err != nil {
		return nil, fmt.Errorf("documentation page: %w", err)
	}
	sum := sha256.Sum256(text)
	return &document{json: text, page: page, etag: `W/"` + hex.EncodeToString(sum[:12]) + `"`}, nil
}
