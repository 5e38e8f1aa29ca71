package service_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"haberdash/apps/gateway/service"
)

// BenchmarkCachedRead is all that the gateway does for a read from memory, without the network.
func BenchmarkCachedRead(b *testing.B) {
	s := open(b, service.Config{CacheMegabytes: 1, RateLimit: "off"})
	s.mesh.Join("catalog", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Header().Set("ETag", `"1"`)
		io.WriteString(w, strings.Repeat("x", 2000))
	}))
	r := httptest.NewRequest("GET", "/api/v1/products/hat", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
