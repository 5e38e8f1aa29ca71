package protection

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// After a pause, the outcomes of an overload no longer count, although the library has not dropped them.
func TestThrottlerForgetsAnOverloadDuringAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttler, status := NewThrottler(refusals()), http.StatusServiceUnavailable
		received := 0
		h := throttler.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			received++
			w.WriteHeader(status)
		}))
		send := func() int {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
			return w.Code
		}
		for range 1000 {
			send()
		}
		require.Less(t, received, 100)
		time.Sleep(throttlerWindow)
		status = http.StatusOK
		for range 1000 {
			require.Equal(t, http.StatusOK, send())
		}
	})
}

// However many requests there are, an app that serves 20 a second gets about 40.
func TestThrottlerForwardsTwiceAsManyRequestsAsAreServed(t *testing.T) {
	for _, demand := range []int{100, 400, 2000} { // requests a second
		synctest.Test(t, func(t *testing.T) {
			throttler, forwarded := NewThrottler(refusals()), 0
			for second := range 20 {
				capacity := 20
				for range demand {
					if throttler.allow() {
						throttler.record(capacity > 0)
						capacity--
						if second >= 10 {
							forwarded++
						}
					}
					time.Sleep(time.Second / time.Duration(demand))
				}
			}
			require.InDelta(t, 10*40, forwarded, 100, "of %d a second", demand)
		})
	}
}
