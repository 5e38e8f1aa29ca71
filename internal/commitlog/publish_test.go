package commitlog_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/telemetry"
)

// broker refuses every call that has an event of its list, or every call at all, as a broker with a limit does.
type broker struct {
	mu      sync.Mutex
	refuses []string
	down    bool
	calls   int
	taken   []string
	last    sidecar.Message
}

func (b *broker) Publish(_ context.Context, _ string, messages []sidecar.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	var ids []string
	for _, m := range messages {
		if b.down || slices.Contains(b.refuses, m.ID) {
			return errors.New("message too large")
		}
		ids = append(ids, m.ID)
	}
	b.taken, b.last = append(b.taken, ids...), messages[len(messages)-1]
	return nil
}

func (b *broker) set(down bool) (calls int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
	return b.calls
}

func TestAnEventThatTheBrokerRefusesStopsNoOther(t *testing.T) {
	t.Parallel()
	p := openTexts(t, memory.NewState(), commitlog.Options{})
	defer p.Close(context.Background())
	id := func(n uint64) string { return contract.EventID("test", "p", n, 0) }
	for range 5 {
		write(t, p, "a", "x")
	}
	b := &broker{refuses: []string{id(2), id(5)}}
	var fed []string
	publish(t, p, b)
	for _, n := range []uint64{1, 3, 4} {
		assert.Contains(t, b.taken, id(n))
	}
	assert.NotContains(t, b.taken, id(2))
	assert.EqualValues(t, 2, p.Unpublished())
	page, err := p.Feed(t.Context(), 1, 10)
	require.NoError(t, err)
	for _, e := range page.Events {
		fed = append(fed, e.ID)
	}
	assert.Equal(t, []string{id(1), id(2), id(3), id(4), id(5)}, fed, "consumers read it from the feed")
}

// Each event of a batch goes on with the baggage of its own command.
func TestEventsKeepTheBaggageOfTheirCommand(t *testing.T) {
	t.Parallel()
	p := openTexts(t, memory.NewState(), commitlog.Options{})
	defer p.Close(context.Background())
	for _, baggage := range []string{"tenant=north", "", "tenant=south"} {
		_, err := p.Do(telemetry.WithBaggage(t.Context(), baggage), []string{"a"},
			func(tx *commitlog.Tx[string]) error {
				tx.Emit("a", "written", "x")
				return nil
			})
		require.NoError(t, err)
	}
	page, err := p.Feed(t.Context(), 1, 10)
	require.NoError(t, err)
	var kept []string
	for _, e := range page.Events {
		kept = append(kept, e.Baggage)
	}
	assert.Equal(t, []string{"tenant=north", "", "tenant=south"}, kept)
}

// Subscriptions route by the attributes of a message, which are those of its event.
func TestMessagesHaveTheAttributesOfTheirEvent(t *testing.T) {
	t.Parallel()
	p := openTexts(t, memory.NewState(), commitlog.Options{})
	defer p.Close(context.Background())
	write(t, p, "a", "x")
	b := &broker{}
	publish(t, p, b)
	page, err := p.Feed(t.Context(), 1, 1)
	require.NoError(t, err)
	event, err := json.Marshal(page.Events[0])
	require.NoError(t, err)
	assert.JSONEq(t, string(event), string(b.last.Data))
	b.last.Data = nil
	assert.Equal(t, sidecar.Message{
		ID: "test/p/1/0", Key: "p", Source: "test", Type: "written", Subject: "a", Time: page.Events[0].At,
		Schema: "urn:haberdash:event:written:1", Version: 1,
	}, b.last)
}

// A broker that takes no event at all is unavailable: nothing is left out, however long that lasts.
func TestABrokerThatIsUnavailableGetsEveryEventLater(t *testing.T) {
	t.Parallel()
	p := openTexts(t, memory.NewState(), commitlog.Options{})
	defer p.Close(context.Background())
	write(t, p, "a", "x")
	write(t, p, "a", "y")
	b := &broker{down: true}
	published := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer close(published)
		p.Publish(ctx, b, "topic")
	}()
	require.Eventually(t, func() bool { return b.set(true) > 6 }, 10*time.Second, 5*time.Millisecond) // some one by one
	b.set(false)
	require.Eventually(t, func() bool {
		at, err := p.Cursor(ctx, "publisher-topic")
		return err == nil && at == 2
	}, 10*time.Second, 5*time.Millisecond)
	stop()
	<-published
	assert.Equal(t, []string{contract.EventID("test", "p", 1, 0), contract.EventID("test", "p", 2, 0)}, b.taken)
	assert.Zero(t, p.Unpublished())
}
