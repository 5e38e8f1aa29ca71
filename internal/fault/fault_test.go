package fault_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
)

func TestWrappedFaultsAreFound(t *testing.T) {
	t.Parallel()
	f := fault.New(fault.Conflict, "out-of-stock", "Not enough of %s.", "MUG").Because(io.ErrUnexpectedEOF)
	wrapped := fmt.Errorf("place order: %w", errors.Join(errors.New("other"), fmt.Errorf("reserve: %w", f)))
	require.Same(t, f, fault.Of(wrapped))
	require.True(t, fault.Is(wrapped, "out-of-stock"))
	require.False(t, fault.Is(wrapped, "price-changed"))
	require.False(t, fault.Is(nil, "out-of-stock"))
	require.ErrorIs(t, wrapped, io.ErrUnexpectedEOF)
	require.Equal(t, "out-of-stock: Not enough of MUG.: unexpected EOF", f.Error())
}

func TestTheTextOfOtherErrorsIsHidden(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial tcp 10.0.0.3: refused")
	f := fault.Of(cause)
	require.Equal(t, fault.Internal, f.Kind)
	require.NotContains(t, f.Detail, "10.0.0.3")
	require.ErrorIs(t, f, cause)
}

func TestWithMethodsReturnCopies(t *testing.T) {
	t.Parallel()
	base := fault.New(fault.Invalid, "invalid-request", "50% wrong.")
	a := base.WithField("body.a", "x").With("code", 1).After(time.Second)
	b := a.WithField("body.b", "y").With("code", 2)
	require.Empty(t, base.Fields)
	require.Nil(t, base.Members)
	require.Zero(t, base.RetryAfter)
	require.Equal(t, "50% wrong.", base.Detail) // without args, detail is not a format string
	require.Len(t, a.Fields, 1)
	require.Equal(t, map[string]any{"code": 1}, a.Members)
	require.Equal(t, []fault.Field{{Location: "body.a", Message: "x"}, {Location: "body.b", Message: "y"}}, b.Fields)
}

func TestEachKindHasADifferentStatus(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for k := fault.Internal; k <= fault.Unavailable; k++ {
		status := k.Status()
		require.NotEmpty(t, http.StatusText(status), k)
		require.False(t, seen[status], status)
		seen[status] = true
		require.Equal(t, k, fault.KindOf(status))
	}
	require.Equal(t, fault.Malformed, fault.KindOf(418))
	require.Equal(t, fault.Internal, fault.KindOf(502))
}

func TestRelocateChangesTheLocationOfAField(t *testing.T) {
	t.Parallel()
	f := fault.BadField("sku", "is not sold").WithField("quantity", "is too large").Because(io.ErrUnexpectedEOF)
	moved := fault.Relocate(fmt.Errorf("set item: %w", f), "sku", "path.sku")
	require.Equal(t, []fault.Field{{Location: "path.sku", Message: "is not sold"},
		{Location: "quantity", Message: "is too large"}}, fault.Of(moved).Fields)
	require.ErrorIs(t, moved, io.ErrUnexpectedEOF)
	require.Equal(t, "sku", f.Fields[0].Location, "the error itself does not change")
	require.NoError(t, fault.Relocate(nil, "sku", "path.sku"))
	require.Equal(t, io.EOF, fault.Relocate(io.EOF, "sku", "path.sku"))
}
