package docs

import (
	"encoding/json"
	"net/http"

	"haberdash/apps/gateway/internal/apidoc"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// OpenAPI serves the OpenAPI document. Problem: unavailable (503), while a service has never given its part.
func (h *Handler) OpenAPI(w http.ResponseWriter, r *http.Request) {
	h.serve(w, r, "application/json", func(d *document) []byte { return d.json })
}

// Page serves the document as a page. Problem: as OpenAPI.
func (h *Handler) Page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", pagePolicy)
	h.serve(w, r, "text/html; charset=utf-8", func(d *document) []byte { return d.page })
}

// pagePolicy permits the page's own style and nothing else.
var pagePolicy = "default-src 'none'; style-src " + apidoc.StyleHash() +
	"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, media string, part func(*document) []byte) {
	d, err := h.load(r.Context())
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

// Index lists the addresses where a visitor of the bare address can go on.
func Index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	json.NewEncoder(w).Encode(map[string]string{
		"name": "Haberdash", "version": httpx.Version, "docs": "/docs", "openapi": "/openapi.json", "ready": "/readyz",
	})
}
