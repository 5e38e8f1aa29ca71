package httpserver

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// While one profile is taken, a second one is refused, and a snapshot is not.
func TestOneProfileAtATime(t *testing.T) {
	t.Parallel()
	began, end := make(chan struct{}), make(chan struct{})
	var busy atomic.Bool
	h := boundProfile(&busy)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("seconds") == "60" {
			close(began)
			<-end
		}
	}))
	status := func(path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/pprof/"+path, nil))
		return w.Code
	}
	first := make(chan int)
	go func() { first <- status("profile?seconds=60") }()
	<-began
	for _, path := range []string{"profile", "profile?seconds=1", "trace", "heap?seconds=1"} {
		require.Equal(t, http.StatusConflict, status(path), path)
	}
	require.Equal(t, http.StatusOK, status("heap"))
	close(end)
	require.Equal(t, http.StatusOK, <-first)
	require.Equal(t, http.StatusOK, status("profile"), "the place is free again")
}
