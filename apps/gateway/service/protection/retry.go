package protection

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"haberdash/internal/sidecar"
)

// The repetitions of safe requests.
const (
	maxAttempts = 3
	// attemptTimeout is how long the answer to an attempt may take to begin, if it is not the last one. A replica whose
	// machine is gone does not even refuse a request.
	attemptTimeout = 5 * time.Second
	retryDelay     = 100 * time.Millisecond
	// retryBudget is the largest share of the requests in progress that may be repetitions. An app that is overloaded
	// gets little more to do because of them.
	retryBudget = 0.2
)

// repeater is an Invoker that repeats safe requests (RFC 9110, section 9.2.1) which fail or take long, because another
// replica of the app may answer. Each app has a repeater of its own.
type repeater struct {
	invoker sidecar.Invoker
	retry   failsafe.Executor[*sidecar.Response]
}

func newRepeater(invoker sidecar.Invoker) *repeater {
	retry := retrypolicy.NewBuilder[*sidecar.Response]().
		HandleIf(anotherReplicaMayAnswer).
		WithMaxAttempts(maxAttempts).WithBackoff(retryDelay, 4*retryDelay).WithJitterFactor(0.2).
		WithBudget(budget.NewBuilder().WithMaxRate(retryBudget).Build()).ReturnLastFailure().
		OnRetry(func(e failsafe.ExecutionEvent[*sidecar.Response]) { closeBody(e.LastResult()) }).
		Build()
	return &repeater{invoker, failsafe.With(retry)}
}

// anotherReplicaMayAnswer reports whether an attempt says nothing about other replicas: it got no answer, or the
// replica could not serve it just now.
func anotherReplicaMayAnswer(res *sidecar.Response, err error) bool {
	if err != nil {
		return true
	}
	return res.Status == http.StatusBadGateway || res.Status == http.StatusServiceUnavailable ||
		res.Status == http.StatusGatewayTimeout
}

// Invoke implements sidecar.Invoker. The result is that of the last attempt.
func (p *repeater) Invoke(ctx context.Context, r sidecar.Request) (*sidecar.Response, error) {
	if r.Body != nil || r.Method != http.MethodGet && r.Method != http.MethodOptions {
		return p.invoker.Invoke(ctx, r)
	}
	var n int
	var last struct {
		res *sidecar.Response
		err error
	}
	res, err := p.retry.WithContext(ctx).Get(func() (*sidecar.Response, error) {
		n++
		last.res, last.err = p.attempt(ctx, r, n == maxAttempts)
		return last.res, last.err
	})
	if errors.Is(err, budget.ErrExceeded) {
		return last.res, last.err
	}
	return res, err
}

// attempt sends the request once. Unless it is the last attempt, it waits at most attemptTimeout for the answer to
// begin.
func (p *repeater) attempt(ctx context.Context, r sidecar.Request, last bool) (*sidecar.Response, error) {
	if last {
		return p.invoker.Invoke(ctx, r)
	}
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(attemptTimeout, cancel)
	res, err := p.invoker.Invoke(ctx, r)
	if !timer.Stop() && err == nil {
		closeBody(res)
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel()
		return nil, err
	}
	res.Body = &cancelingBody{res.Body, cancel}
	return res, nil
}

func closeBody(res *sidecar.Response) {
	if res != nil && res.Body != nil {
		_ = res.Body.Close()
	}
}

// cancelingBody ends the context of its attempt when it is closed.
type cancelingBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b *cancelingBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
