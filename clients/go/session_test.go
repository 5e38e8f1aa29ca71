package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newAuthServer starts a server that accepts each refresh token once, as the users service does, and only the newest
// access token. life is the lifetime of access tokens in seconds. refreshes counts the refreshed tokens.
func newAuthServer(t *testing.T, life int) (c *Client, refreshes *atomic.Int32) {
	t.Helper()
	var mu sync.Mutex
	refreshes = &atomic.Int32{}
	signedIn := func(w http.ResponseWriter) {
		n := refreshes.Load()
		fmt.Fprintf(w, `{"accessToken":"a%d","refreshToken":"r%d","expiresIn":%d}`, n, n, life)
	}
	c, _ = newServer(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var body struct{ RefreshToken string }
		switch {
		case strings.HasSuffix(r.URL.Path, "/login"):
			signedIn(w)
		case strings.HasSuffix(r.URL.Path, "/refresh"):
			_ = json.NewDecoder(r.Body).Decode(&body)
			if body.RefreshToken != fmt.Sprintf("r%d", refreshes.Load()) {
				writeProblem(w, 401, "token-reused", "")
				return
			}
			refreshes.Add(1)
			signedIn(w)
		case refreshes.Load() > 0 && r.Header.Get("Authorization") == fmt.Sprintf("Bearer a%d", refreshes.Load()):
			fmt.Fprint(w, `{"id":"u1"}`)
		default:
			writeProblem(w, 401, "invalid-token", "")
		}
	})
	return c, refreshes
}

func TestConcurrentRequestsRefreshARefusedTokenOnce(t *testing.T) {
	t.Parallel()
	guest, refreshes := newAuthServer(t, 600)
	c, err := guest.SignIn(t.Context(), "ada@example.test", "secret")
	require.NoError(t, err)
	start, done := make(chan struct{}), sync.WaitGroup{}
	for range 20 {
		done.Go(func() {
			<-start
			_, err := c.GetMe(context.Background(), GetMeParams{})
			assert.NoError(t, err)
		})
	}
	close(start)
	done.Wait()
	require.EqualValues(t, 1, refreshes.Load())
}

func TestTokenIsRefreshedBeforeItExpires(t *testing.T) {
	t.Parallel()
	guest, refreshes := newAuthServer(t, 20)
	var saved []Tokens
	c := guest.WithTokens(Tokens{Access: "a0", Refresh: "r0"}, func(t Tokens) { saved = append(saved, t) })
	_, err := c.GetMe(t.Context(), GetMeParams{})
	require.NoError(t, err)
	require.EqualValues(t, 1, refreshes.Load())
	require.Equal(t, "r1", saved[0].Refresh)
}

func TestEndedSessionReturnsAProblem(t *testing.T) {
	t.Parallel()
	guest, _ := newAuthServer(t, 600)
	c := guest.WithTokens(Tokens{Access: "old", Refresh: "stolen"}, nil)
	_, err := c.GetMe(t.Context(), GetMeParams{})
	require.True(t, IsProblem(err, "token-reused"), "%v", err)
}

// The first request is cancelled while its token is refreshed. The next request uses the refreshed token.
func TestRefreshContinuesWhenItsRequestIsCancelled(t *testing.T) {
	t.Parallel()
	asked, cancelled := make(chan struct{}), make(chan struct{})
	guest, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/refresh") {
			close(asked)
			<-cancelled
			fmt.Fprint(w, `{"accessToken":"a1","refreshToken":"r1","expiresIn":600}`)
			return
		}
		fmt.Fprint(w, `{"id":"u1"}`)
	})
	c := guest.WithTokens(Tokens{Access: "a0", Refresh: "r0"}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
		close(cancelled)
	}()
	_, err := c.GetMe(ctx, GetMeParams{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = c.GetMe(t.Context(), GetMeParams{}) // a second refresh would close asked again
	require.NoError(t, err)
}
