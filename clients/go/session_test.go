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

// accounts lets refresh tokens serve once each, as the shop does, and refuses all access tokens but the newest.
func accounts(t *testing.T, life int) (c *Client, exchanges *atomic.Int32) {
	t.Helper()
	var mu sync.Mutex
	exchanges = &atomic.Int32{}
	signedIn := func(w http.ResponseWriter) {
		n := exchanges.Load()
		fmt.Fprintf(w, `{"accessToken":"a%d","refreshToken":"r%d","expiresIn":%d}`, n, n, life)
	}
	c, _ = shopDouble(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var body struct{ RefreshToken string }
		switch {
		case strings.HasSuffix(r.URL.Path, "/login"):
			signedIn(w)
		case strings.HasSuffix(r.URL.Path, "/refresh"):
			_ = json.NewDecoder(r.Body).Decode(&body)
			if body.RefreshToken != fmt.Sprintf("r%d", exchanges.Load()) {
				refuse(w, 401, "token-reused", "")
				return
			}
			exchanges.Add(1)
			signedIn(w)
		case exchanges.Load() > 0 && r.Header.Get("Authorization") == fmt.Sprintf("Bearer a%d", exchanges.Load()):
			fmt.Fprint(w, `{"id":"u1"}`)
		default:
			refuse(w, 401, "invalid-token", "")
		}
	})
	return c, exchanges
}

func TestARefusedTokenIsExchangedOnceForAll(t *testing.T) {
	t.Parallel()
	guest, exchanges := accounts(t, 600)
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
	require.EqualValues(t, 1, exchanges.Load())
}

func TestATokenThatIsAboutToExpireIsExchangedBefore(t *testing.T) {
	t.Parallel()
	guest, exchanges := accounts(t, 20)
	var kept []Tokens
	c := guest.WithTokens(Tokens{Access: "a0", Refresh: "r0"}, func(t Tokens) { kept = append(kept, t) })
	_, err := c.GetMe(t.Context(), GetMeParams{})
	require.NoError(t, err)
	require.EqualValues(t, 1, exchanges.Load())
	require.Equal(t, "r1", kept[0].Refresh)
}

func TestASessionThatIsOverIsAProblem(t *testing.T) {
	t.Parallel()
	guest, _ := accounts(t, 600)
	c := guest.WithTokens(Tokens{Access: "old", Refresh: "stolen"}, nil)
	_, err := c.GetMe(t.Context(), GetMeParams{})
	require.True(t, IsProblem(err, "token-reused"), "%v", err)
}

// The first caller gives up while its token is being exchanged: the session goes on with what the exchange brings.
func TestAnExchangeOutlivesWhoAskedForIt(t *testing.T) {
	t.Parallel()
	asked, cancelled := make(chan struct{}), make(chan struct{})
	guest, _ := shopDouble(t, func(w http.ResponseWriter, r *http.Request) {
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
	_, err = c.GetMe(t.Context(), GetMeParams{}) // a second exchange would close asked again
	require.NoError(t, err)
}
