package service

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/internal/session"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/transfer"
)

// After an export and an import, users have the same accounts, passwords, roles, sessions and access tokens, and
// deleted accounts stay deleted.
func TestImportedAccountsAreTheSame(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	root := f.administrator()
	access, refresh := f.signUp("ada@example.com")
	require.Equal(t, 204, f.verify(f.lastMail("user.verification-requested").Token).status)
	deleted, _ := f.signUp("deleted@example.com")
	require.Equal(t, 204, f.do(http.MethodDelete, "/api/v1/me", deleted, obj{"password": password}).status)
	for range 120 { // more than one page of the directory
		require.Equal(t, 201, f.register(NewID()+"@example.com", password).status)
	}

	target := memory.NewState()
	export := f.do(http.MethodGet, "/internal/export", "", nil)
	require.Equal(t, 200, export.status)
	for r := transfer.NewReader(strings.NewReader(export.raw)); ; {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if r.Line() == 1 {
			require.Equal(t, "signing-keys", item.Key)
		}
		require.NoError(t, transfer.Import(t.Context(), target, []sidecar.Item{item}))
	}
	imported := newReplica(t, target, f)

	for _, path := range []string{"/api/v1/users?limit=100", "/api/v1/users?q=ada"} {
		before, after := f.do(http.MethodGet, path, root, nil), imported.do(http.MethodGet, path, root, nil)
		require.Equal(t, 200, after.status, after.raw)
		require.Equal(t, before.raw, after.raw)
	}
	me := f.do(http.MethodGet, "/api/v1/me", access, nil)
	events := "/api/v1/users/" + me.str("id") + "/events"
	before, after := f.do(http.MethodGet, events, root, nil), imported.do(http.MethodGet, events, root, nil)
	require.Equal(t, 200, after.status, after.raw)
	require.Contains(t, after.raw, "user.")
	require.Equal(t, before.raw, after.raw)
	require.Contains(t, export.raw, `"key":"administrator/`, "the mark that the first administrator was made")
	require.Equal(t, me.raw, imported.do(http.MethodGet, "/api/v1/me", access, nil).raw)
	require.Equal(t, 200, imported.refresh(refresh).status)
	imported.clock.pass(session.Grace)
	require.Equal(t, 401, imported.refresh(refresh).status, "it is valid once")
	require.Equal(t, 200, imported.login("ada@example.com", password).status)
	require.Equal(t, 401, imported.login("deleted@example.com", password).status)
	require.Equal(t, 409, imported.register("ada@example.com", password).status, "the mailbox is proven")
	require.Equal(t, 201, imported.register("deleted@example.com", password).status)
	next := imported.do(http.MethodGet, "/api/v1/users?limit=1", root, nil)
	require.Contains(t, next.raw, "deleted@example.com", "the numbers in the directory continue")
}
