package service_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/moving"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// Whoever had an account has it, their password, their roles, their sessions, and their access token; who was deleted
// stays so.
func TestMovedAccountsAreTheSame(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	boss := s.administrator()
	access, refresh := s.signUp("ada@example.com")
	require.Equal(t, 204, s.verify(s.lastMail("user.verification-requested").Token).status)
	gone, _ := s.signUp("gone@example.com")
	require.Equal(t, 204, s.do(http.MethodDelete, "/api/v1/me", gone, obj{"password": password}).status)
	for range 120 { // more than a page of the directory
		require.Equal(t, 201, s.register(strings.ToLower(t.Name())+time.Now().Format("150405.000000000")+"@example.com", password).status)
	}

	there := memory.NewState()
	w := s.do(http.MethodGet, "/internal/export", "", nil)
	require.Equal(t, 200, w.status)
	for r := moving.NewReader(strings.NewReader(w.raw)); ; {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if r.Line() == 1 {
			require.Equal(t, "signing-keys", item.Key)
		}
		require.NoError(t, moving.Accept(t.Context(), there, []sidecar.Item{item}))
	}
	moved := newReplica(t, there, s)

	for _, path := range []string{"/api/v1/users?limit=100", "/api/v1/users?q=ada"} {
		before, after := s.do(http.MethodGet, path, boss, nil), moved.do(http.MethodGet, path, boss, nil)
		require.Equal(t, 200, after.status, after.raw)
		require.Equal(t, before.raw, after.raw)
	}
	me := s.do(http.MethodGet, "/api/v1/me", access, nil)
	trail := "/api/v1/users/" + me.str("id") + "/events"
	before, after := s.do(http.MethodGet, trail, boss, nil), moved.do(http.MethodGet, trail, boss, nil)
	require.Equal(t, 200, after.status, after.raw)
	require.Contains(t, after.raw, "user.")
	require.Equal(t, before.raw, after.raw, "what happened to it")
	require.Contains(t, w.raw, `"key":"administrator/`, "that the first one was made")
	require.Equal(t, me.raw, moved.do(http.MethodGet, "/api/v1/me", access, nil).raw)
	require.Equal(t, 200, moved.refresh(refresh).status)
	require.Equal(t, 401, moved.refresh(refresh).status, "it is used up")
	require.Equal(t, 200, moved.login("ada@example.com", password).status)
	require.Equal(t, 401, moved.login("gone@example.com", password).status)
	require.Equal(t, 409, moved.register("ada@example.com", password).status, "the mailbox is proven")
	require.Equal(t, 201, moved.register("gone@example.com", password).status)
	next := moved.do(http.MethodGet, "/api/v1/users?limit=1", boss, nil)
	require.Contains(t, next.raw, "gone@example.com", "the newest place in the directory is the next one")
}
