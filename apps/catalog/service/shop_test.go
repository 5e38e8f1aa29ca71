package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar/memory"
)

// inventory is a Stock in memory.
type inventory struct {
	mu     sync.Mutex
	levels map[string]int64
	ids    map[string]bool
	down   atomic.Bool
}

func (i *inventory) Receive(_ context.Context, id string, moves []StockMove) error {
	if i.down.Load() {
		return io.ErrUnexpectedEOF
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ids[id] {
		return nil
	}
	for _, m := range moves {
		if i.levels[m.SKU]+m.Delta < 0 {
			return fault.New(fault.Conflict, "insufficient-stock", "Too little.")
		}
	}
	for _, m := range moves {
		i.levels[m.SKU] += m.Delta
	}
	i.ids[id] = true
	return nil
}

func (i *inventory) Levels(_ context.Context, skus []string) (map[string]int64, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := map[string]int64{}
	for _, sku := range skus {
		out[sku] = i.levels[sku]
	}
	return out, nil
}

func (i *inventory) set(sku string, n int64) {
	i.mu.Lock()
	i.levels[sku] = n
	i.mu.Unlock()
}

// shop is the service over memory doubles, reached through its HTTP handler.
type shop struct {
	t       *testing.T
	state   *memory.State
	mesh    *memory.Mesh
	stock   *inventory
	service *Service
	handler http.Handler
}

func open(t *testing.T, demo bool) *shop {
	return reopen(&shop{t: t, state: memory.NewState(), mesh: memory.NewMesh(), stock: &inventory{levels: map[string]int64{}, ids: map[string]bool{}}}, t, demo)
}

// reopen starts another process on the same store and stock.
func reopen(old *shop, t *testing.T, demo bool) *shop {
	s := *old
	var n atomic.Int64
	var err error
	s.service, err = New(t.Context(), Deps{
		State: s.state, Publisher: s.mesh, Stock: s.stock, Now: time.Now, Demo: demo,
		NewID: func() string { return fmt.Sprintf("%p-%d", &s, n.Add(1)) },
	})
	require.NoError(t, err)
	s.service.Start(t.Context())
	t.Cleanup(func() { assert.NoError(t, s.service.Close(context.Background())) })
	router := chi.NewRouter()
	router.Use(httpx.Conditional, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if role, ok := identity.Bearer(r.Header.Get("Authorization")); ok {
				r = r.WithContext(identity.With(r.Context(), identity.Caller{UserID: "u", Roles: []string{role}}, role))
			}
			next.ServeHTTP(w, r)
		})
	})
	s.service.Mount(httpx.NewAPI(router, "test"))
	s.handler = router
	return &s
}

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) json(t *testing.T) (v map[string]any) {
	require.NoError(t, json.Unmarshal(a.body, &v), "%s", a.body)
	return v
}

func (a answer) problem() string {
	var p struct {
		Type   string
		Errors []fault.Field
	}
	json.Unmarshal(a.body, &p)
	typ := p.Type[strings.LastIndex(p.Type, "/")+1:]
	for _, f := range p.Errors {
		typ += " " + f.Location
	}
	return typ
}

// call sends a request; headers are "Name: value". A leading "staff " in path is the role of the caller.
func (s *shop) call(method, path, body string, headers ...string) answer {
	role, path, ok := strings.Cut(path, " ")
	if !ok {
		role, path = "", role
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if role != "" {
		r.Header.Set("Authorization", "Bearer "+role)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), bytes.TrimSpace(w.Body.Bytes())}
}

func (s *shop) get(path string) map[string]any {
	a := s.call("GET", path, "")
	require.Equal(s.t, 200, a.status, "%s: %s", path, a.body)
	return a.json(s.t)
}

func (s *shop) upload(text string) importReport {
	a := s.call("POST", "staff /api/v1/products/import", text, "Content-Type: text/csv; charset=utf-8")
	require.Equal(s.t, 200, a.status, "%s", a.body)
	var r importReport
	require.NoError(s.t, json.Unmarshal(a.body, &r))
	return r
}

// sample finds a file of real exports.
func sample(t *testing.T, name string) string {
	b, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return string(b)
}
