package service

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

	"github.com/go-chi/chi/v5"
	"golang.org/x/sync/singleflight"

	"haberdash/apps/gateway/internal/apidoc"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
)

// documentFor is how long the merged document is kept before the services are asked again, and how long
// a service is left alone after it could not give its own.
const (
	documentFor  = time.Minute
	documentWait = time.Second
	maxDocument  = 8 << 20
)

// document is the shop's OpenAPI document, merged from those of the services. A service that does not answer
// keeps the part it had.
type document struct {
	invoker sidecar.Invoker
	now     func() time.Time
	own     []byte // the gateway's own part
	flight  singleflight.Group

	mu     sync.Mutex
	parts  map[string]apidoc.Document
	merged *rendered
	err    error
	until  time.Time
}

type rendered struct {
	json, page []byte
	etag       string // weak: the answer may be compressed
}

func newDocument(inv sidecar.Invoker, now func() time.Time) *document {
	return &document{invoker: inv, now: now, parts: map[string]apidoc.Document{}}
}

// get fails with unavailable (503) while a service has never given its part.
func (d *document) get(ctx context.Context) (*rendered, error) {
	d.mu.Lock()
	merged, err, fresh := d.merged, d.err, d.now().Before(d.until)
	d.mu.Unlock()
	if fresh {
		return merged, err
	}
	v, err, _ := d.flight.Do("", func() (any, error) { return d.refresh(context.WithoutCancel(ctx)) })
	return v.(*rendered), err
}

func (d *document) refresh(ctx context.Context) (*rendered, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	var wait sync.WaitGroup
	for _, app := range apps {
		wait.Go(func() {
			if doc, err := d.fetch(ctx, app); err == nil {
				d.mu.Lock()
				defer d.mu.Unlock()
				d.parts[app] = doc
			}
		})
	}
	wait.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.merged, d.err, d.until = nil, nil, d.now().Add(documentFor)
	var sources []apidoc.Source
	for _, app := range apps {
		if d.parts[app] == nil {
			d.err, d.until = down(app, documentWait, nil), d.now().Add(documentWait)
			return nil, d.err
		}
		sources = append(sources, apidoc.Source{Service: app, Doc: d.parts[app]})
	}
	if d.own != nil {
		doc, err := apidoc.Parse(d.own)
		if err != nil {
			return nil, err
		}
		sources = append(sources, apidoc.Source{Service: self, Doc: doc})
	}
	whole := apidoc.Merge("Haberdash", httpx.Version, sources, public)
	apidoc.Introduce(whole, about, tags)
	d.merged, d.err = render(whole)
	return d.merged, d.err
}

const about = "A shop: products and stock, carts, orders with payment, accounts. Money is integer minor units with a currency. " +
	"Lists are paged by cursor. Errors are problems (RFC 9457); the last segment of a problem's type tells them apart. " +
	"Changes to carts and products name the version that they are meant for in If-Match. What must not happen twice takes an Idempotency-Key."

var tags = []apidoc.Tag{
	{Name: "Catalog", Description: "Products, categories and pictures"},
	{Name: "Stock", Description: "How much there is of each SKU, and why"},
	{Name: "Cart", Description: "What somebody is about to buy, at today's prices"},
	{Name: "Orders", Description: "Placing orders, and what their owners may do with them"},
	{Name: "Fulfilment", Description: "What the back office does with orders"},
	{Name: "Sign-in", Description: "Accounts, sessions and the tokens that prove them"},
	{Name: "Me", Description: "The caller's own account"},
	{Name: "Administration", Description: "Other people's accounts"},
	{Name: "Operations", Description: "Running the shop"},
}

func (d *document) fetch(ctx context.Context, app string) (apidoc.Document, error) {
	res, err := d.invoker.Invoke(ctx, sidecar.Request{App: app, Method: http.MethodGet, Path: "/openapi.json"})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDocument))
	if err != nil {
		return nil, err
	}
	if res.Status != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", app, res.Status)
	}
	return apidoc.Parse(body)
}

func render(doc apidoc.Document) (*rendered, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	page, err := apidoc.Page(doc)
	if err != nil {
		return nil, fmt.Errorf("documentation page: %w", err)
	}
	sum := sha256.Sum256(text)
	return &rendered{json: text, page: page, etag: `W/"` + hex.EncodeToString(sum[:12]) + `"`}, nil
}

// table holds the routes alone, to ask where an address would go.
var table = func() chi.Routes {
	r := chi.NewRouter()
	for _, rt := range routes {
		r.Method(http.MethodGet, rt.pattern, appName(rt.app))
	}
	return r
}()

// appName stands in for an app's handler.
type appName string

// ServeHTTP implements http.Handler; nothing calls it.
func (appName) ServeHTTP(http.ResponseWriter, *http.Request) {}

// self is the gateway, among the apps whose documents are merged.
const self = "gateway"

// public tells whether the gateway routes a path of an app's document, or serves it itself.
func public(app, path string) bool {
	if app == self {
		return true
	}
	pattern := table.Find(chi.NewRouteContext(), http.MethodGet, path)
	for _, rt := range routes {
		if rt.pattern == pattern {
			return rt.app == app
		}
	}
	return false
}

func (g *Gateway) openAPI(w http.ResponseWriter, r *http.Request) {
	g.serveDocument(w, r, "application/json", func(d *rendered) []byte { return d.json })
}

func (g *Gateway) docs(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", docsPolicy)
	g.serveDocument(w, r, "text/html; charset=utf-8", func(d *rendered) []byte { return d.page })
}

var docsPolicy = "default-src 'none'; style-src " + apidoc.StyleHash() + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (g *Gateway) serveDocument(w http.ResponseWriter, r *http.Request, media string, part func(*rendered) []byte) {
	d, err := g.document.get(r.Context())
	if err != nil {
		httpx.WriteProblem(w, fault.Of(err))
		return
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("ETag", d.etag)
	w.Header().Set("Cache-Control", "public, max-age=60")
	w.WriteHeader(http.StatusOK)
	w.Write(part(d))
}

// index tells whoever opens the bare address where to go on.
func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	json.NewEncoder(w).Encode(map[string]string{
		"name": "Haberdash", "version": httpx.Version, "docs": "/docs", "openapi": "/openapi.json", "ready": "/readyz",
	})
}
