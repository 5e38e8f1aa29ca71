package examples

import (
	"context"
	"encoding/json"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/internal/contract"
	"haberdash/internal/roster"
	"haberdash/tests/api"
)

// mailsTo returns the subjects of the mails to an address.
func mailsTo(t require.TestingT, s *launch.Shop, address string) (subjects []string) {
	files, err := filepath.Glob(filepath.Join(s.MailDir(), "*.eml"))
	require.NoError(t, err)
	for _, path := range files {
		f, err := os.Open(path)
		require.NoError(t, err)
		m, err := mail.ReadMessage(f)
		f.Close()
		require.NoError(t, err, path)
		to, err := m.Header.AddressList("To")
		require.NoError(t, err, path)
		if to[0].Address == address {
			subjects = append(subjects, m.Header.Get("Subject"))
		}
	}
	slices.Sort(subjects)
	return subjects
}

// awaitMails waits until an address has got these mails, and no others.
func awaitMails(t *testing.T, s *launch.Shop, address string, subjects ...string) {
	t.Helper()
	slices.Sort(subjects)
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		require.Equal(collect, subjects, mailsTo(collect, s, address))
	}, timeout, interval)
}

// purchased is the subject of the mail about an order.
func purchased(o api.Order) string { return "Your order " + o.Number }

// deadLetters returns the ids of the events that an app could not handle.
func deadLetters(t require.TestingT, ctx context.Context, admin *api.Client, app string) (events []string) {
	a, err := admin.Do(ctx, api.Request{Method: http.MethodGet, Path: "/api/v1/dead-letters/" + app})
	require.NoError(t, err)
	var list api.List[struct{ Event string }]
	require.NoError(t, a.Decode(&list), "%s", a.Body)
	for _, letter := range list.Items {
		events = append(events, letter.Event)
	}
	return events
}

// The app of Node.js sends the mails of the shop in the place of the shop's own.
func TestExampleNotificationsNode(t *testing.T) {
	const app = roster.Notifications
	s, ctx := start(t, "notifications-node", app), t.Context()
	guest := api.New(s.GatewayURL())
	admin, err := guest.AsAdmin(ctx)
	require.NoError(t, err)
	email, password := api.NewEmail(), api.NewKey()
	user, err := guest.Register(ctx, email, password, "Ada Byron")
	require.NoError(t, err)
	session, err := guest.Login(ctx, email, password)
	require.NoError(t, err)
	ada := guest.As(session.AccessToken)
	awaitMails(t, s, email, "Please confirm your e-mail address")
	first := buy(t, ada, 3)
	awaitMails(t, s, first.Email, purchased(first))

	// Every event comes once more, in another order.
	feed := awaitCaughtUp(t, s, app)
	slices.Reverse(feed.Events)
	for _, e := range feed.Events {
		var answer struct{ Status string }
		invoke(t, ctx, s, app, http.MethodPost, "/events/orders", cloudEvent(t, e), &answer)
		require.Equal(t, "SUCCESS", answer.Status)
	}
	require.Equal(t, []string{purchased(first)}, mailsTo(t, s, first.Email))

	poison(t, s, admin, app)

	// It is killed, and then ended, each time while somebody buys. Each order causes one mail.
	for _, end := range []func(string) error{s.Kill, s.Terminate} {
		orders := make(chan api.Order)
		go func() {
			defer close(orders)
			for range 4 {
				buyer, _, err := guest.AsNewCustomer(ctx)
				assert.NoError(t, err)
				orders <- buy(t, buyer, 1)
			}
		}()
		require.NoError(t, end(app))
		bought := []api.Order{<-orders, <-orders} // placed and confirmed without the app
		require.NoError(t, s.Restart(app))
		for o := range orders { // while it starts
			bought = append(bought, o)
		}
		awaitReady(t, s)
		awaitCaughtUp(t, s, app)
		for _, o := range bought {
			require.Equal(t, []string{purchased(o)}, mailsTo(t, s, o.Email))
		}
	}
	log, err := os.ReadFile(logOf(s, app))
	require.NoError(t, err)
	require.Contains(t, string(log), `"message":"stopped"`, "a graceful end")

	// The dead letters of an account that is deleted go with it.
	for _, customer := range []string{user.ID, "another"} {
		data, err := json.Marshal(map[string]string{"customer": customer})
		require.NoError(t, err)
		var answer struct{ Status string }
		broken := contract.Event{ID: customer, Type: contract.OrderConfirmed, Source: "orders", Data: data}
		invoke(t, ctx, s, app, http.MethodPost, "/events/orders", cloudEvent(t, broken), &answer)
		require.Equal(t, "SUCCESS", answer.Status)
	}
	require.Equal(t, []string{"another", user.ID}, deadLetters(t, ctx, admin, app))
	a, err := ada.Do(ctx, api.Request{Method: http.MethodDelete, Path: "/api/v1/me",
		Body: map[string]string{"password": password}})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, a.Status, "%s", a.Body)
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		require.Equal(collect, []string{"another"}, deadLetters(collect, ctx, admin, app))
	}, timeout, interval)
}
