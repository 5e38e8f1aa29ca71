package protection

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"haberdash/internal/sidecar"
)

// The repetitions of safe requests.
const (
	// hedgeDelay is how long an attempt may take before another one begins beside it. A replica whose machine is gone
	// does not even refuse a request.
	hedgeDelay = 3 * time.Second
	maxHedges  = 2 // attempts beside the first one
	maxRetries = 2 // after attempts that failed
	retryDelay = 100 * time.Millisecond
	// retryBudget is the largest share of the requests in progress that may be repetitions. An app that is overloaded
	// gets little more to do because of them.
	retryBudget = 0.2
)

// repeater is an Invoker that repeats safe requests (RFC 9110, section 9.2.1) which fail or take long, because another
// replica of the app may answer. Each app has a repeater of its own.
type repeater struct {
	invoker      sidecar.Invoker
	retry, hedge failsafe.Executor[*sidecar.Response]
}

func newRepeater(invoker sidecar.Invoker) *repeater {
	shared := budget.NewBuilder().WithMaxRate(retryBudget).Build()
	retry := retrypolicy.NewBuilder[*sidecar.Response]().
		HandleIf(anotherReplicaMayAnswer).
		WithMaxRetries(maxRetries).WithBackoff(retryDelay, 4*retryDelay).WithJitterFactor(0.2).
		WithBudget(shared).ReturnLastFailure().
		OnRetry(func(e failsafe.ExecutionEvent[*sidecar.Response]) { closeBody(e.LastResult()) }).
		Build()
	hedge := hedgepolicy.NewBuilderWithDelay[*sidecar.Response](hedgeDelay).
		WithMaxHedges(maxHedges).WithBudget(shared).Build()
	return &repeater{invoker, failsafe.With(retry), failsafe.With(hedge)}
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
	var last struct {
		res *sidecar.Response
		err error
	}
	res, err := p.retry.WithContext(ctx).Get(func() (*sidecar.Response, error) {
		last.res, last.err = p.hedge.WithContext(ctx).GetWithExecution(
			func(e failsafe.Execution[*sidecar.Response]) (*sidecar.Response, error) { return p.attempt(ctx, e, r) })
		return last.res, last.err
	})
	if errors.Is(err, budget.ErrExceeded) {
		return last.res, last.err
	}
	return res, err
}

// attempt sends the request once. If another attempt was faster, the answer is dropped. Otherwise the body of the answer
// can be read after the library has ended the context of the execution.
func (p *repeater) attempt(ctx context.Context, e failsafe.Execution[*sidecar.Response], r sidecar.Request) (
	*sidecar.Response, error,
) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(e.Context(), cancel)
	r.Header = r.Header.Clone() // attempts may run at the same time
	res, err := p.invoker.Invoke(ctx, r)
	if !stop() && err == nil {
		closeBody(res)
		err = context.Canceled
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
