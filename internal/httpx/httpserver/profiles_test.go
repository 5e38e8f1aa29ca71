package httpserver_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/httpx/httpserver"
)

var profilePaths = []string{
	"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=1", "/debug/pprof/profile?seconds=1",
	"/debug/pprof/trace?seconds=1",
}

// An operator has no token. Another app that asks through the sidecars has one, and gets nothing.
func TestOnlyOperatorsReadProfiles(t *testing.T) { // not parallel: a process takes one profile at a time
	s := newServer(httpserver.Options{AppToken: "s3cret"})
	for _, path := range profilePaths {
		require.Equal(t, http.StatusOK, get(s.Router, path).Code, path)
		for _, header := range [][]string{
			{"dapr-api-token", "s3cret"}, {"dapr-api-token", "wrong"}, {"dapr-caller-app-id", "cart"},
		} {
			require.Equal(t, http.StatusNotFound, get(s.Router, path, header...).Code, "%s %v", path, header)
		}
	}
	for _, path := range []string{"/debug/pprof/invented", "/debug/pprof/cmdline", "/debug/pprof/a/b"} {
		require.Equal(t, http.StatusNotFound, get(s.Router, path).Code, path)
	}
	require.Equal(t, http.StatusUnauthorized, get(s.Router, "/debug/vars").Code)
}

func TestAPublicServerHasProfilesForOperatorsOnly(t *testing.T) {
	s := newServer(httpserver.Options{Public: true})
	for _, path := range append(profilePaths, "/debug/pprof", "/debug", "//debug/pprof/", "/metrics") {
		require.Equal(t, http.StatusNotFound, get(s.Router, path).Code, path)
	}
	for _, path := range append(profilePaths, "/metrics") {
		require.Equal(t, http.StatusOK, get(s.OperationsHandler(), path).Code, path)
	}
}

func TestProfilesAreBounded(t *testing.T) {
	t.Parallel()
	s := newServer(httpserver.Options{})
	for _, seconds := range []string{"61", "0", "-1", "1e9", "x", "99999999999999999999"} {
		for _, name := range []string{"profile", "trace", "heap"} {
			w := get(s.Router, "/debug/pprof/"+name+"?seconds="+seconds)
			require.Equal(t, http.StatusUnprocessableEntity, w.Code, "%s %s", name, seconds)
		}
	}
}
