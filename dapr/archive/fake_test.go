package archive

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/transfer"
)

// fake is a running shop with everything that a Client calls, and with a store in memory for each app.
type fake struct {
	Client
	stores map[string]*memory.State
	keys   map[string][]string // of each app

	mu       sync.Mutex
	readOnly bool
	switched []bool // the values that read-only mode was set to
	broken   string // the app whose export is truncated
	wrong    uint64 // documents that differ from their log
	position uint64 // of the consumers; it grows by one with each request, up to head
	changes  int    // how many audits find another log than the audit before
	commit   uint64
}

const head = 9

func newFake(t *testing.T) *fake {
	f := &fake{stores: map[string]*memory.State{}, keys: map[string][]string{}, position: head}
	router := chi.NewRouter()
	router.Use(httpx.Trace(zerolog.Nop()), httpx.Recover)
	router.Get("/api/v1/read-only", func(w http.ResponseWriter, _ *http.Request) { f.readOnlyMode(w) })
	router.Put("/api/v1/read-only", func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "Bearer token", r.Header.Get("Authorization"))
		var body struct{ ReadOnly bool }
		_ = json.NewDecoder(r.Body).Decode(&body)
		f.mu.Lock()
		f.readOnly, f.switched = body.ReadOnly, append(f.switched, body.ReadOnly)
		f.mu.Unlock()
		f.readOnlyMode(w)
	})
	for _, app := range roster.Exported() {
		f.stores[app] = memory.NewState()
		internal := chi.NewRouter()
		api := httpx.NewAPI(internal, app)
		transfer.MountExport(api, app, func(ctx context.Context, put func(sidecar.Item) error) error {
			return f.export(ctx, app, put)
		})
		transfer.MountImport(api, app, f.stores[app])
		internal.Get("/internal/consumers", func(w http.ResponseWriter, _ *http.Request) { f.cursors(w) })
		internal.Post("/internal/audit", func(w http.ResponseWriter, _ *http.Request) { f.audit(w, app) })
		internal.Get("/feed/orders", func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(contract.FeedPage{Head: head})
		})
		method := http.StripPrefix("/v1.0/invoke/"+app+"/method", internal)
		router.Mount("/v1.0/invoke/"+app+"/method", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("dapr-api-token") != tokenOf(app) {
				http.Error(w, "invalid api token", http.StatusUnauthorized)
				return
			}
			method.ServeHTTP(w, r)
		}))
	}
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	f.Client = Client{Gateway: server.URL, Sidecar: func(string) string { return server.URL }, Token: tokenOf,
		SignIn: func(context.Context) (string, error) { return "token", nil }}
	return f
}

func tokenOf(app string) string { return "token of " + app }

// owns stores an item of an app.
func (f *fake) owns(t *testing.T, app, key, value string) {
	require.NoError(t, f.stores[app].Create(t.Context(), key, []byte(value)))
	f.keys[app] = append(f.keys[app], key)
}

func (f *fake) readOnlyMode(w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]bool{"readOnly": f.readOnly})
}

func (f *fake) export(ctx context.Context, app string, put func(sidecar.Item) error) error {
	f.mu.Lock()
	broken := f.broken == app
	f.mu.Unlock()
	for _, key := range f.keys[app] {
		item, err := f.stores[app].Get(ctx, key)
		if err == nil {
			err = put(item)
		}
		if err != nil {
			return err
		}
	}
	if broken {
		return errors.New("the store is unavailable")
	}
	return nil
}

func (f *fake) cursors(w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = json.NewEncoder(w).Encode(contract.Cursors{Cursors: []contract.Cursor{
		{Source: "orders", Partition: "orders", Position: f.position, Head: f.position % 3}, {Source: "users"}}})
	f.position = min(f.position+1, head)
}

func (f *fake) audit(w http.ResponseWriter, app string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changes > 0 {
		f.changes, f.commit = f.changes-1, f.commit+1
	}
	a := contract.Audit{Log: app, Commit: f.commit, Digest: "d", Wrong: f.wrong, Differences: []contract.Difference{}}
	if f.wrong > 0 {
		a.Differences = append(a.Differences, contract.Difference{Key: "doc/x", Kind: "missing"})
	}
	_ = json.NewEncoder(w).Encode(contract.Audits{Audits: []contract.Audit{a}})
}
