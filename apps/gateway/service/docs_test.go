package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service"
	"haberdash/internal/httpx"
	"haberdash/internal/roster"
)

type thing struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"20" doc:"What it is called"`
	}
}

// documented returns a service with one public and one internal operation.
func documented(app, path string) http.Handler {
	r := chi.NewRouter()
	api := httpx.NewAPI(r, app)
	for _, p := range []string{path, "/internal/" + app} {
		httpx.Register(api, huma.Operation{
			OperationID: "make-" + app + p[:4], Method: http.MethodPost, Path: p, Summary: "Make a thing of " + app,
			Tags: []string{app}, Security: httpx.Bearer,
		}, func(context.Context, *thing) (*thing, error) { return &thing{}, nil })
	}
	return r
}

func joinDocumented(g *testGateway) {
	g.mesh.Join("catalog", documented("catalog", "/api/v1/products"))
	g.mesh.Join("cart", documented("cart", "/api/v1/carts/{id}"))
	g.mesh.Join("orders", documented("orders", "/api/v1/orders"))
	g.mesh.Join("users", documented("users", "/api/v1/me"))
}

func TestOpenAPIHasThePublicOperationsOfAllServices(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	joinDocumented(g)
	w := g.send("GET", "/openapi.json", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var doc struct {
		OpenAPI string
		Servers []struct{ URL string }
		Paths   map[string]any
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc))
	require.Equal(t, "3.1.0", doc.OpenAPI)
	require.Equal(t, "/", doc.Servers[0].URL)
	require.Len(t, doc.Paths, 4)
	for path := range doc.Paths {
		require.NotContains(t, path, "internal")
	}
	require.NotContains(t, w.Body.String(), "/internal/")

	again := g.send("GET", "/openapi.json", "", "If-None-Match", w.Header().Get("ETag"))
	require.Equal(t, http.StatusNotModified, again.Code)
	zipped := g.send("GET", "/openapi.json", "", "Accept-Encoding", "gzip")
	require.Equal(t, "gzip", zipped.Header().Get("Content-Encoding"))
	require.Equal(t, http.StatusOK, g.send("HEAD", "/openapi.json", "").Code)
}

func TestDocsPageLoadsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	joinDocumented(g)
	w := g.send("GET", "/docs", "")
	require.Equal(t, http.StatusOK, w.Code)
	page := w.Body.String()
	for _, word := range []string{
		"Make a thing of orders", "/api/v1/carts/{id}", "What it is called", "length at most 20", "bearer token",
	} {
		require.Contains(t, page, word)
	}
	for _, outside := range []string{"<script", "http://", "<link", "src="} {
		require.NotContains(t, page, outside)
	}
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "style-src 'sha256-")
	require.Contains(t, g.send("GET", "/", "").Body.String(), `"docs":"/docs"`)
}

func TestOpenAPIKeepsThePartsOfServicesThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGateway(t, service.Config{RateLimit: true})
		requireProblem(t, http.StatusServiceUnavailable, "unavailable", g.send("GET", "/openapi.json", ""))
		joinDocumented(g)
		requireProblem(t, http.StatusServiceUnavailable, "unavailable", g.send("GET", "/docs", ""))
		time.Sleep(time.Second)
		require.Equal(t, http.StatusOK, g.send("GET", "/openapi.json", "").Code)
		g.mesh.Join("cart", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "no JSON") }))
		time.Sleep(2 * time.Minute)
		require.Contains(t, g.send("GET", "/openapi.json", "").Body.String(), "/api/v1/carts/{id}")
	})
}

// An app that has joined has its addresses and its part of the documentation. A document that cannot be shown takes
// nothing from the others.
func TestAppsThatJoinAreRoutedAndDocumented(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var joined roster.JoinedApps
		require.NoError(t, joined.UnmarshalText([]byte(`[
			{"app": "loyalty", "serves": ["/api/v1/loyalty/*"], "openapi": "/openapi.json", "deadLetters": true},
			{"app": "broken", "serves": ["/api/v1/broken"], "openapi": "/schema"},
			{"app": "absent", "serves": ["/api/v1/absent"], "openapi": "/openapi.json"}]`)))
		g := newTestGateway(t, service.Config{RateLimit: true, Joined: joined})
		joinDocumented(g)
		points := documented("loyalty", "/api/v1/loyalty/me").(*chi.Mux)
		answer := func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }
		points.Get("/api/v1/loyalty/me", answer)
		points.Get("/api/v1/dead-letters/loyalty", answer)
		g.mesh.Join("loyalty", points)
		g.mesh.Join("broken", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"openapi": "3.1.0", "paths": {"/api/v1/broken": {"get": {"tags": [[7]], "parameters": "all",
				"requestBody": {"$ref": "#/components/requestBodies/none"}, "responses": [1, 2]}}}}`)
		}))
		for path, status := range map[string]int{
			"/api/v1/loyalty/me": 200, "/api/v1/dead-letters/loyalty": 200, "/api/v1/loyalty": 404,
			"/internal/loyalty": 404, "/api/v1/loyaltycards": 404, "/api/v1/absent": 503,
		} {
			require.Equal(t, status, g.send("GET", path, "").Code, path)
		}
		document := g.send("GET", "/openapi.json", "")
		require.Equal(t, http.StatusOK, document.Code)
		require.Contains(t, document.Body.String(), "/api/v1/loyalty/me")
		require.Contains(t, document.Body.String(), "/api/v1/carts/{id}")
		require.NotContains(t, document.Body.String(), "/internal/loyalty")
		page := g.send("GET", "/docs", "")
		require.Equal(t, http.StatusOK, page.Code)
		require.Contains(t, page.Body.String(), "Make a thing of loyalty")
	})
}
