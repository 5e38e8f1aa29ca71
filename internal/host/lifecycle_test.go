package host

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newLifecycle(t *testing.T) (*Host, context.Context) {
	t.Helper()
	ctx, fail := context.WithCancelCause(t.Context())
	h := &Host{}
	h.lifecycle.init(context.WithoutCancel(ctx), fail)
	return h, ctx
}

func TestClosersRunInReverseOrderAfterBackgroundWork(t *testing.T) {
	t.Parallel()
	h, _ := newLifecycle(t)
	var order []string
	closer := func(name string) func(context.Context) error {
		return func(context.Context) error { order = append(order, name); return nil }
	}
	h.OnClose("log", closer("log"))
	h.OnClose("mail", closer("mail"))
	h.Go("work", func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(10 * time.Millisecond)
		order = append(order, "work")
		return ctx.Err()
	})
	h.lifecycle.start()
	require.NoError(t, h.lifecycle.close())
	require.Equal(t, []string{"work", "mail", "log"}, order)
}

func TestFailedBackgroundWorkEndsTheService(t *testing.T) {
	t.Parallel()
	h, ctx := newLifecycle(t)
	h.Go("workflows", func(context.Context) error { return errors.New("no engine") })
	h.lifecycle.start()
	<-ctx.Done()
	require.EqualError(t, context.Cause(ctx), "workflows: no engine")
	require.NoError(t, h.lifecycle.close())
}

func TestEveryCloserRunsAlthoughOneFails(t *testing.T) {
	t.Parallel()
	h, _ := newLifecycle(t)
	closed := false
	h.OnClose("log", func(context.Context) error { closed = true; return nil })
	h.OnClose("mail", func(context.Context) error { return errors.New("not sent") })
	require.EqualError(t, h.lifecycle.close(), "close mail: not sent")
	require.True(t, closed)
}
