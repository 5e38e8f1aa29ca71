package move

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
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/transfer"
)

// fake is a running shop: what move asks of one, over HTTP, with a store for each app.
type fake struct {
	Shop
	stores map[string]*memory.State
	keys   map[string][]string // that each app owns

	mu       sync.Mutex
	readOnly bool
	said     []bool // what read-only mode was set to
	broken   string // the app whose export breaks off
	wrong    uint64 // documents
	position uint64 // of the consumers, one more each time that they are asked, up to head
	restless int    // how many audits see another log than the one before
	commit   uint64
}

const head = 9

func newFake(t *testing.T) *fake {
	f := &fake{stores: map[string]*memory.State{}, keys: map[string][]string{}, position: head}
	router := chi.NewRouter()
	router.Use(httpx.Trace(zerolog.Nop()), httpx.Recover)
	router.Get("/api/v1/read-only", func(w http.ResponseWriter, _ *http.Request) { f.mode(w) })
	router.Put("/api/v1/read-only", func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "Bearer token", r.Header.Get("Authorization"))
		var body struct{ ReadOnly bool }
		_ = json.NewDecoder(r.Body).Decode(&body)
		f.mu.Lock()
		f.readOnly, f.said = body.ReadOnly, append(f.said, body.ReadOnly)
		f.mu.Unlock()
		f.mode(w)
	})
	for _, app := range apps {
		f.stores[app] = memory.NewState()
		inside := chi.NewRouter()
		api := httpx.NewAPI(inside, app)
		transfer.MountExport(api, app, func(ctx context.Context, put func(sidecar.Item) error) error { return f.export(ctx, app, put) })
		transfer.MountImport(api, app, f.stores[app])
		inside.Get("/internal/consumers", func(w http.ResponseWriter, _ *http.Request) { f.cursors(w) })
		inside.Post("/internal/audit", func(w http.ResponseWriter, _ *http.Request) { f.audit(w, app) })
		inside.Get("/feed/orders", func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(contract.FeedPage{Head: head})
		})
		router.Mount("/v1.0/invoke/"+app+"/method", http.StripPrefix("/v1.0/invoke/"+app+"/method", inside))
	}
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	f.Shop = Shop{Gateway: server.URL, Sidecar: func(string) string { return server.URL },
		SignIn: func(context.Context) (string, error) { return "token", nil }}
	return f
}

// owns gives an app an item.
func (f *fake) owns(t *testing.T, app, key, value string) {
	require.NoError(t, f.stores[app].Create(t.Context(), key, []byte(value)))
	f.keys[app] = append(f.keys[app], key)
}

func (f *fake) mode(w http.ResponseWriter) {
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
		return errors.New("the store is away")
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
	if f.restless > 0 {
		f.restless, f.commit = f.restless-1, f.commit+1
	}
	a := contract.Audit{Log: app, Commit: f.commit, Digest: "d", Wrong: f.wrong, Differences: []contract.Difference{}}
	if f.wrong > 0 {
		a.Differences = append(a.Differences, contract.Difference{Key: "doc/x", Kind: "missing"})
	}
	_ = json.NewEncoder(w).Encode(contract.Audits{Audits: []contract.Audit{a}})
}
