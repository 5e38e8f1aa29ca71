package observe

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/controlplane"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/tests/api"
)

// stop ends a process of the shop, and restart starts it again.
func stop(name string) func(*stage) {
	return func(s *stage) { require.NoError(s.t, s.shop.Terminate(name)) }
}

func restart(name string) func(*stage) {
	return func(s *stage) { require.NoError(s.t, s.shop.Restart(name)) }
}

// order places an order whose confirmation goes to a mailbox.
func (s *stage) order(email string) api.Order {
	s.t.Helper()
	guest := api.New(s.shop.GatewayURL())
	cart, err := guest.NewCart(s.t.Context(), api.Item{SKU: sku, Quantity: 1})
	require.NoError(s.t, err)
	placement := api.NewPlacement(cart, api.Visa)
	placement.Email = email
	answer, err := guest.Place(s.t.Context(), api.NewKey(), placement)
	require.NoError(s.t, err)
	var order api.Order
	require.NoError(s.t, answer.Decode(&order))
	return order
}

// writeToNobody makes the mail server refuse a mail for good, and waits until it has: afterwards there is no server.
func (s *stage) writeToNobody() {
	s.order("nobody@example.test")
	s.waitFor(`sum(consumer_dead_letters{app="notifications"})`, 1)
}

// deadLetters is where administrators find the events that notifications could not handle.
const deadLetters = "/api/v1/dead-letters/notifications"

func (s *stage) discardDeadLetters() {
	admin, err := s.visitors.admin(s.t.Context())
	require.NoError(s.t, err)
	answer, err := admin.Do(s.t.Context(), api.Request{Method: http.MethodGet, Path: deadLetters})
	require.NoError(s.t, err)
	var list api.List[struct{ ID string }]
	require.NoError(s.t, answer.Decode(&list))
	require.NotEmpty(s.t, list.Items)
	for _, letter := range list.Items {
		path := deadLetters + "/" + url.PathEscape(letter.ID)
		answer, err := admin.Do(s.t.Context(), api.Request{Method: http.MethodDelete, Path: path})
		require.NoError(s.t, err)
		require.Equal(s.t, http.StatusNoContent, answer.Status, "%s", answer.Body)
	}
}

func (s *stage) refuseDocuments() { s.visitors.switchFault("catalog", "refused-documents", "on") }

// takeDocuments restarts the app, too: by itself it writes a document again only when its aggregate changes.
func (s *stage) takeDocuments() {
	s.visitors.switchFault("catalog", "refused-documents", "off")
	stop("catalog")(s)
	restart("catalog")(s)
	require.NoError(s.t, s.shop.Await(s.t.Context(), nil, "catalog"))
}

// flood orders more than the ten mails that a mailbox gets at once, and waits until one is dropped.
func (s *stage) flood() {
	mailbox := api.NewEmail()
	for range 12 {
		s.order(mailbox)
	}
	s.waitFor(`sum(mails_dropped_total)`, 1)
}

func (s *stage) killMailServer() { require.NoError(s.t, s.mails.Kill("smtp")) }
func (s *stage) restartMailServer() {
	require.NoError(s.t, s.mails.RestartServer(s.t.Context(), "smtp"))
}

func (s *stage) killJaeger() { require.NoError(s.t, s.servers.Kill("jaeger")) }
func (s *stage) restartJaeger() {
	require.NoError(s.t, s.servers.RestartServer(s.t.Context(), "jaeger"))
}

// fillStore makes the store of catalog refuse all writes, at a moment at which a document must be written: without one
// no checkpoint can fail.
func (s *stage) fillStore() {
	failures := func() float64 {
		series, err := s.query(`sum(log_checkpoint_failures_total{app="catalog"})`)
		require.NoError(s.t, err)
		require.Len(s.t, series, 1)
		return series[0].value(s.t)
	}
	before := failures()
	for deadline := time.Now().Add(soon); ; {
		s.visitors.switchFault("catalog", "full-disk", "on")
		for seen := time.Now().Add(2 * scrapeInterval); time.Now().Before(seen); time.Sleep(tick) {
			if failures() > before {
				return
			}
		}
		require.True(s.t, time.Now().Before(deadline), "no checkpoint fails")
		s.clearStore()
		time.Sleep(time.Second) // the shop sells meanwhile
	}
}

// scrapeInterval is Prometheus' own.
const scrapeInterval = 5 * time.Second

func (s *stage) clearStore() { s.visitors.switchFault("catalog", "full-disk", "off") }

// restartWatcher restarts the watcher three times, each time after Prometheus has seen it.
func (s *stage) restartWatcher() {
	const started = `max(process_start_time_seconds{app="watcher",kind="app"})`
	for range 3 {
		series, err := s.query(started)
		require.NoError(s.t, err)
		require.Len(s.t, series, 1)
		before := series[0].value(s.t)
		require.NoError(s.t, s.shop.Kill("watcher"))
		require.NoError(s.t, s.shop.Restart("watcher"))
		s.waitFor(started, before+0.01)
	}
}

// renewIssuer gives Sentry a certificate for a year.
func (s *stage) renewIssuer() {
	require.NoError(s.t, controlplane.RenewIssuer(s.shop.IssuerDir(), 365*24*time.Hour))
}

// tokenValidators are settings with which Sentry refuses the sidecars, which have no token.
const tokenValidators = `    tokenValidators:
      - name: jwks
        options:
          source: '{"keys":[]}'
`

func (s *stage) askForTokens() {
	text, err := os.ReadFile(s.sentrySettings())
	require.NoError(s.t, err)
	s.restartSentry(string(text) + tokenValidators)
}

func (s *stage) askForNothing() {
	text, err := os.ReadFile(s.sentrySettings())
	require.NoError(s.t, err)
	s.restartSentry(strings.TrimSuffix(string(text), tokenValidators))
}

func (s *stage) sentrySettings() string { return filepath.Join(s.shop.IssuerDir(), "sentry.yaml") }

// restartSentry starts Sentry with other settings.
func (s *stage) restartSentry(settings string) {
	require.NoError(s.t, os.WriteFile(s.sentrySettings(), []byte(settings), 0o600))
	require.NoError(s.t, s.shop.Terminate("sentry"))
	require.NoError(s.t, s.shop.Restart("sentry"))
	require.NoError(s.t, s.shop.Await(s.t.Context(), nil, "sentry"))
}

// tampered is a document of an order in the store, as it was.
type tampered struct {
	store sidecar.State
	item  sidecar.Item
}

// changeDocument changes the document of an order in the store, as somebody with access to the store could.
func (s *stage) changeDocument() {
	client, err := daprd.New(daprd.Options{
		HTTPPort: port(s.t, s.shop.SidecarHTTP("orders")), GRPCPort: port(s.t, "http://"+s.shop.SidecarGRPC("orders")),
		APIToken: s.shop.SidecarToken("orders"),
	})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = client.Close() })
	s.document.store = client.State(daprd.StateStore)
	s.document.item = s.storedOrder(s.document.store, s.order(api.NewEmail()).ID)
	changed := bytes.Replace(s.document.item.Value, []byte(`"EUR"`), []byte(`"CHF"`), 1)
	require.NotEqual(s.t, s.document.item.Value, changed)
	require.NoError(s.t, s.document.store.Put(s.t.Context(), s.document.item.Key, changed, ""))
}

// storedOrder waits until the document of a confirmed order is in the store.
func (s *stage) storedOrder(store sidecar.State, id string) (item sidecar.Item) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		var err error
		item, err = store.Get(s.t.Context(), "doc/orders/"+url.PathEscape("order/"+id))
		require.NoError(c, err)
		require.True(c, item.Found())
		require.Contains(c, string(item.Value), "confirmed")
	}, soon, tick)
	return item
}

// port is the port of an address.
func port(t require.TestingT, address string) int {
	u, err := url.Parse(address)
	require.NoError(t, err)
	n, err := strconv.Atoi(u.Port())
	require.NoError(t, err)
	return n
}

func (s *stage) mendDocument() {
	require.NoError(s.t, s.document.store.Put(context.Background(), s.document.item.Key, s.document.item.Value, ""))
}
