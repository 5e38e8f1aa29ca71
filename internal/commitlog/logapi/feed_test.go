package logapi_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// joinMesh returns a router that the mesh calls under the name of an app.
func joinMesh(mesh *memory.Mesh, name string) *chi.Mux {
	router := chi.NewRouter()
	router.Use(httpx.Trace(zerolog.Nop()), httpx.Recover)
	mesh.Join(name, router)
	return router
}

// fakeLog is a log of n events. Its methods return err.
type fakeLog struct {
	name string
	n    uint64
	err  error
}

func (l *fakeLog) Name() string { return l.name }

func (l *fakeLog) Feed(_ context.Context, from uint64, limit int) (contract.FeedPage, error) {
	page := contract.FeedPage{Events: []contract.Event{}, Next: from, Head: l.n}
	for ; page.Next <= l.n && len(page.Events) < limit; page.Next++ {
		page.Events = append(page.Events, contract.Event{Partition: l.name, Position: page.Next})
	}
	return page, l.err
}

func (l *fakeLog) Ready(context.Context) error { return l.err }

func TestReadyFailsWithTheNameOfTheLog(t *testing.T) {
	t.Parallel()
	good, bad := &fakeLog{name: "stock-main"}, &fakeLog{name: "stock-b", err: errors.New("a newer release writes it")}
	require.NoError(t, logapi.Ready(good)(t.Context()))
	require.ErrorContains(t, logapi.Ready(good, bad)(t.Context()), "log stock-b: a newer release writes it")
}

func TestConsumersFetchFeedsByPosition(t *testing.T) {
	t.Parallel()
	mesh := memory.NewMesh()
	main, other := &fakeLog{name: "stock-main", n: 1500}, &fakeLog{name: "stock-a b", n: 1}
	logapi.MountFeed(httpx.NewAPI(joinMesh(mesh, "catalog"), "test"), main, other)
	var feeds contract.Feeds
	require.NoError(t, sidecar.Call(t.Context(), mesh, "catalog", http.MethodGet, "/feed", nil, nil, &feeds))
	require.Equal(t, []string{"stock-main", "stock-a b"}, feeds.Names)
	fetch := consumer.FetchFrom(mesh)
	page, err := fetch(t.Context(), consumer.Log{Source: "catalog", Partition: "stock-main"}, 3, 2)
	require.NoError(t, err)
	assert.Equal(t, uint64(5), page.Next)
	assert.Equal(t, uint64(1500), page.Head)
	require.Len(t, page.Events, 2)
	assert.Equal(t, uint64(3), page.Events[0].Position)

	page, err = fetch(t.Context(), consumer.Log{Source: "catalog", Partition: "stock-main"}, 1, 5000)
	require.NoError(t, err)
	assert.Len(t, page.Events, 1000, "the limit of a page")
	page, err = fetch(t.Context(), consumer.Log{Source: "catalog", Partition: "stock-a b"}, 2, 5)
	require.NoError(t, err)
	assert.Equal(t, contract.FeedPage{Events: []contract.Event{}, Next: 2, Head: 1}, page)

	_, err = fetch(t.Context(), consumer.Log{Source: "catalog", Partition: "orders"}, 1, 1)
	assert.True(t, fault.Is(err, "not-found"), "%v", err)
	_, err = fetch(t.Context(), consumer.Log{Source: "catalog", Partition: "stock-main"}, 0, 1)
	assert.True(t, fault.Is(err, "invalid-request"), "%v", err)
	main.err = sidecar.StoreUnavailable(errors.New("disk on fire"))
	_, err = fetch(t.Context(), consumer.Log{Source: "catalog", Partition: "stock-main"}, 1, 1)
	assert.True(t, fault.Is(err, "unavailable"), "%v", err)
}
