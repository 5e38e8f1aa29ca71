package protection

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConnectionsOfAnAddressAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time stands still
		admit := NewRateLimits(time.Now, refusals()).Connections([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
		admitted := func(from string, most int) (n int) {
			for range most {
				if admit(netip.MustParseAddr(from)) {
					n++
				}
			}
			return n
		}
		burst := buckets[Connecting].burst
		require.Greater(t, burst, buckets[Browsing].burst, "a client sees 429 before a reset")
		require.Equal(t, burst, admitted("192.0.2.1", burst+10))
		require.Equal(t, 0, admitted("::ffff:192.0.2.1", 1), "the same address")
		require.Equal(t, burst, admitted("2001:db8::1", burst))
		require.Equal(t, 0, admitted("2001:db8::2", 1), "the same subscriber")
		require.Equal(t, 1, admitted("192.0.2.2", 1))
		require.Equal(t, burst+10, admitted("10.1.2.3", burst+10), "a trusted proxy")
		time.Sleep(time.Second)
		require.Equal(t, int(buckets[Connecting].perSecond), admitted("192.0.2.1", burst))
	})
}
