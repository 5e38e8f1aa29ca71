package protection

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The outcomes of an overload are old after a pause, though the library has not dropped them.
func TestThrottlerForgetsAnOverloadDuringAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th, status := NewThrottler(), http.StatusServiceUnavailable
		h := th.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		ask := func() int {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
			return w.Code
		}
		for range 1000 {
			ask()
		}
		require.False(t, th.allow())
		time.Sleep(throttlerWindow)
		status = http.StatusOK
		for range 1000 {
			require.Equal(t, http.StatusOK, ask())
		}
	})
}

// However many requests there are, an app that serves 20 a second gets about 40.
func TestThrottlerForwardsTwiceAsManyRequestsAsAreServed(t *testing.T) {
	for _, demand := range []int{100, 400, 2000} { // requests a second
		synctest.Test(t, func(t *testing.T) {
			th, forwarded := NewThrottler(), 0
			for second := range 20 {
				capacity := 20
				for range demand {
					if th.allow() {
						th.record(capacity > 0)
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
