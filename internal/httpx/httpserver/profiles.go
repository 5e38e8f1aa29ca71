package httpserver

import (
	"net/http"
	"net/http/pprof"
	"strconv"
	"sync/atomic"

	"github.com/go-chi/chi/v5"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// maxProfile is the longest time of a profile in seconds.
const maxProfile = 60

// profiling is true while a profile is being taken. The runtime takes one at a time for the whole process.
var profiling atomic.Bool

// profiles serves the profiles of the process, as net/http/pprof does, with two bounds: a profile takes at most
// maxProfile, and of those that take time only one is taken at a time. Problems: invalid-request (422), conflict (409).
func profiles() http.Handler {
	r := chi.NewRouter()
	r.NotFound(httpx.NotFound)
	r.MethodNotAllowed(httpx.MethodNotAllowed)
	timed := r.With(boundProfile(&profiling))
	timed.Get("/profile", pprof.Profile)
	timed.Get("/trace", pprof.Trace)
	timed.Get("/{name}", func(w http.ResponseWriter, r *http.Request) {
		pprof.Handler(chi.URLParam(r, "name")).ServeHTTP(w, r)
	})
	r.Get("/", pprof.Index)
	return r
}

// boundProfile applies the bounds of profiles. One that has no seconds, such as heap, is a snapshot; profile and trace
// always take time.
func boundProfile(busy *atomic.Bool) func(http.Handler) http.Handler {
	conflict := fault.New(fault.Conflict, "conflict", "Another profile is being taken. Wait until it has ended.")
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			given := r.FormValue("seconds")
			if seconds, err := strconv.Atoi(given); given != "" && (err != nil || seconds < 1 || seconds > maxProfile) {
				httpx.WriteProblem(w, fault.BadField("query.seconds", "must be from 1 to "+strconv.Itoa(maxProfile)))
				return
			}
			name := r.URL.Path[len(httpx.Profiles)+1:]
			if given != "" || name == "profile" || name == "trace" {
				if !busy.CompareAndSwap(false, true) {
					httpx.WriteProblem(w, conflict)
					return
				}
				defer busy.Store(false)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// refuseSidecar hides what only operators may request, who ask this server directly. A request that another app sends
// comes from the sidecar, with the token that all other routes require, and with the name of that app.
func refuseSidecar(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("dapr-api-token") != "" || r.Header.Get("dapr-caller-app-id") != "" {
			httpx.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
