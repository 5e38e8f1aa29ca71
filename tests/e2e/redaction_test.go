package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/runfile"
	"haberdash/dapr/launch/secrets"
	"haberdash/tests/api"
)

// planted are secrets and personal data by what they are.
type planted map[string]string

// new plants a word that is nowhere else.
func (p planted) new(what string) string {
	p[what] = "Planted" + api.NewKey()
	return p[what]
}

// No line of any process has a secret or personal data, at any level, whether requests succeed or fail: because their
// input is wrong, because an app or the mail server is dead, or because their sender is hostile.
func TestLogsHaveNoSecretsAndNoPersonalData(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, _, _ := startOwnShop(t, map[string]string{"LOG_LEVEL": "debug"})
	c := api.New(s.GatewayURL()) // answers of 5xx are wanted
	admin, err := c.AsAdmin(ctx)
	require.NoError(t, err)
	sku := importProductAs(t, admin, 50)
	words := secretsOfProcesses(t, s)
	words["token of the administrator"] = admin.Token
	send := func(by *api.Client, method, path string, body any, header ...string) *api.Answer {
		t.Helper()
		r := api.Request{Method: method, Path: path, Body: body, Header: map[string]string{"Idempotency-Key": api.NewKey()}}
		for i := 0; i < len(header); i += 2 {
			r.Header[header[i]] = header[i+1]
		}
		a, err := by.Do(ctx, r)
		require.NoError(t, err)
		return a
	}
	type object = map[string]any

	// An account: registration, sign-in, a wrong password, mailed tokens, an address, and the same with mistakes.
	email, password := api.NewEmail(), words.new("password")
	words["email"] = email
	_, err = c.Register(ctx, email, password, words.new("name"))
	require.NoError(t, err)
	words["token in a mail"] = tokenInMail.FindStringSubmatch(awaitMails(t, s, email, 1)[0].text)[1]
	send(c, "POST", "/api/v1/auth/register",
		object{"email": email, "password": words.new("other password"), "name": words.new("other name")})
	session, err := c.Login(ctx, email, password)
	require.NoError(t, err)
	words["access token"], words["refresh token"] = session.AccessToken, session.RefreshToken
	ada := c.As(session.AccessToken)
	for range 3 {
		send(c, "POST", "/api/v1/auth/login", object{"email": email, "password": words.new("wrong password")})
	}
	send(c, "POST", "/api/v1/auth/login", `{"email":"`+email+`","password":"`+words.new("password in broken JSON"))
	send(c, "POST", "/api/v1/auth/refresh", object{"refreshToken": words.new("unknown refresh token")})
	send(c, "POST", "/api/v1/auth/forgot-password", object{"email": email})
	for _, m := range awaitMails(t, s, email, 2) {
		words["token in the mail "+m.subject] = tokenInMail.FindStringSubmatch(m.text)[1]
	}
	send(c, "POST", "/api/v1/auth/reset-password?token="+words.new("reset token in a link"),
		object{"token": words.new("reset token"), "password": words.new("new password")})
	home := api.Home
	home.Line1, home.Name = words.new("street"), words.new("recipient")
	send(ada, "POST", "/api/v1/me/addresses", home)
	home.Country = "nowhere"
	send(ada, "POST", "/api/v1/me/addresses", home)

	// Orders: one that is returned, one that is declined, and requests that are refused.
	place := func(card string) *api.Answer {
		cart, err := c.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
		require.NoError(t, err)
		words["cart "+cart.ID[:4]] = cart.ID
		p := api.NewPlacement(cart, api.Visa)
		p.Payment.Token, p.ShippingAddress.Line1, p.ShippingAddress.Name = card, words["street"], words["recipient"]
		p.Email = words["email"]
		return send(c, "POST", "/api/v1/orders", p)
	}
	words["card"] = string(api.Visa)
	placed := place(words["card"])
	require.Equal(t, http.StatusCreated, placed.Status, "%s", placed.Body)
	var order api.Order
	require.NoError(t, placed.Decode(&order))
	words["token of the order"] = order.AccessToken
	require.Equal(t, http.StatusPaymentRequired, place("tok_"+words.new("card that is declined")).Status)
	_, err = admin.Fulfil(ctx, order.ID, api.NewKey(), api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, send(c, "POST", "/api/v1/orders/"+order.ID+"/returns",
		object{"lines": []api.Item{{SKU: sku, Quantity: 1}}, "reason": words.new("reason")},
		"X-Order-Token", order.AccessToken).Status)
	send(c, "GET", "/api/v1/orders/"+order.ID, nil, "X-Order-Token", words.new("wrong token of an order"))
	send(admin, "POST", "/api/v1/stock/"+sku+"/adjustments", object{"delta": -1, "reason": words.new("note")})

	// Secrets in places where nobody expects them.
	for _, path := range []string{"/api/v1/products?q=", "/api/v1/orders/", "/nowhere/", "/api/v1/carts/", "/internal/"} {
		send(c, "GET", path+url.PathEscape(words.new("secret in "+path)), nil,
			"Authorization", "Bearer "+words.new("token for "+path), "Cookie", "session="+words.new("cookie for "+path),
			"User-Agent", words.new("browser for "+path), "Referer", "https://x/"+words.new("referrer for "+path))
		send(c, "GET", path+"x", nil, "Authorization", "Basic "+words.new("basic for "+path))
	}

	// A dead app, and a mail server that refuses mail.
	for _, app := range []string{"catalog", "cart"} {
		cart, err := ada.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
		require.NoError(t, err)
		words["cart of a dead "+app] = cart.ID
		require.NoError(t, s.Kill(app))
		p := api.NewPlacement(cart, api.Visa)
		p.Email, p.ShippingAddress.Line1 = words["email"], words["street"]
		require.GreaterOrEqual(t, send(ada, "POST", "/api/v1/orders", p).Status, 500)
		send(ada, "GET", "/api/v1/carts/"+cart.ID, nil)
		send(c, "GET", "/api/v1/products?q="+words.new("search in a dead "+app), nil)
		require.NoError(t, s.Restart(app))
		require.NoError(t, s.Ready(ctx))
	}
	require.NoError(t, os.Rename(s.MailDir(), s.MailDir()+"-gone"))
	require.NoError(t, os.WriteFile(s.MailDir(), nil, 0o600))
	again := place(words["card"])
	require.Equal(t, http.StatusCreated, again.Status, "%s", again.Body)
	send(c, "POST", "/api/v1/auth/forgot-password", object{"email": email})
	require.Eventually(t, func() bool { return strings.Contains(logsOf(t, s, "notifications"), `"log.level":"warn"`) },
		timeout, interval)

	send(ada, "DELETE", "/api/v1/me", object{"password": password})
	require.NoError(t, s.Stop(ctx)) // the processes write their last lines
	requireNoneInLogs(t, s, order.ID, words)
	requireLinesAreECS(t, s, "gateway", "orders", "users", "notifications") // two others were killed within a line
	decided := logsOf(t, s, "")
	for _, action := range []string{
		"order.placed", "order.confirmed", "order.rejected", "fulfilment.shipped", "return.requested", "payment.authorized",
		"payment.captured", "stock.reserved", "stock.adjusted", "catalog.imported", "product.created", "user.account-opened",
		"user.deleted",
	} {
		assert.True(t, strings.Contains(decided, `"event.action":"`+action+`"`), action)
	}
}

// awaitMails waits for n mails to an address.
func awaitMails(t *testing.T, s *launch.Shop, to string, n int) (mails []message) {
	t.Helper()
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		mails = readMails(collect, s.MailDir(), to)
		require.Len(collect, mails, n)
	}, timeout, interval)
	return mails
}

// secretsOfProcesses returns the tokens and keys that the processes of a shop have.
func secretsOfProcesses(t *testing.T, s *launch.Shop) planted {
	t.Helper()
	words, err := secrets.ReadFile(filepath.Join(s.RunDir(), secrets.FileName))
	require.NoError(t, err)
	require.NotEmpty(t, words["KEY_ENCRYPTION_KEY"])
	file, err := runfile.Read(runfile.Rendered(s.RunDir()))
	require.NoError(t, err)
	for _, a := range file.Apps {
		for _, name := range []string{runfile.AppToken, runfile.SidecarToken} {
			require.NotEmpty(t, a.Env[name])
			words[name+" of "+a.AppID] = a.Env[name]
		}
	}
	return words
}

// eachLog calls visit with each log of the shop.
func eachLog(t *testing.T, s *launch.Shop, visit func(path string, content []byte)) {
	t.Helper()
	var files []string
	for _, pattern := range []string{"logs/*.log", ".dapr/logs/*.log", "*.log"} {
		found, err := filepath.Glob(filepath.Join(s.RunDir(), pattern))
		require.NoError(t, err)
		files = append(files, found...)
	}
	require.Greater(t, len(files), 12, "apps and sidecars")
	for _, path := range files {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		visit(path, content)
	}
}

// logsOf returns the logs of an app, or of all processes.
func logsOf(t *testing.T, s *launch.Shop, app string) string {
	t.Helper()
	var all strings.Builder
	eachLog(t, s, func(path string, content []byte) {
		if strings.HasPrefix(filepath.Base(path), app) {
			all.Write(content)
		}
	})
	return all.String()
}

// requireNoneInLogs requires that no log has one of the words, also not as a part of base64, and no e-mail address. The
// logs have the word known, which shows that the search finds words.
func requireNoneInLogs(t *testing.T, s *launch.Shop, known string, words planted) {
	t.Helper()
	address := regexp.MustCompile(`[\w.+-]+@[\w-]+\.(test|com|org)\b`)
	found := 0
	eachLog(t, s, func(path string, content []byte) {
		if bytes.Contains(content, []byte(known)) {
			found++
		}
		for line := range bytes.Lines(content) {
			if m := address.Find(line); m != nil && !bytes.Contains(line, []byte(`"haberdash.config"`)) {
				assert.Fail(t, "an e-mail address", "%s in %s: %s", m, filepath.Base(path), line)
			}
			for what, word := range words {
				if containsWord(line, word) {
					assert.Fail(t, "a secret", "%s in %s: %s", what, filepath.Base(path), line)
				}
			}
		}
	})
	require.GreaterOrEqual(t, found, 2, "the search does not find %s, which is logged", known)
}

// requireLinesAreECS requires that each line of the apps is JSON with the fields that ECS requires.
func requireLinesAreECS(t *testing.T, s *launch.Shop, apps ...string) {
	t.Helper()
	eachLog(t, s, func(path string, content []byte) {
		app, _, isApp := strings.Cut(filepath.Base(path), "_app_")
		if !isApp || !slices.Contains(apps, app) {
			return
		}
		lines := 0
		for line := range bytes.Lines(content) {
			_, text, ofApp := bytes.Cut(line, []byte("== APP - "+app+" == "))
			if !ofApp {
				continue // a remark of the dapr CLI
			}
			var l map[string]any
			require.NoError(t, json.Unmarshal(text, &l), "%s: %s", path, line)
			require.Empty(t, repeated(t, text), "%s", line)
			for _, name := range []string{"@timestamp", "log.level", "message", "ecs.version"} {
				require.NotEmpty(t, l[name], "%s: %s", name, line)
			}
			require.Equal(t, app, l["service.name"])
			lines++
		}
		require.Greater(t, lines, 2, path)
	})
}

// repeated returns the members that a JSON object has twice, for which Elasticsearch refuses it.
func repeated(t *testing.T, object []byte) (names []string) {
	t.Helper()
	d, seen := json.NewDecoder(bytes.NewReader(object)), map[string]bool{}
	_, err := d.Token()
	require.NoError(t, err)
	for d.More() {
		name, err := d.Token()
		require.NoError(t, err)
		var value json.RawMessage
		require.NoError(t, d.Decode(&value))
		if seen[name.(string)] {
			names = append(names, name.(string))
		}
		seen[name.(string)] = true
	}
	return names
}
