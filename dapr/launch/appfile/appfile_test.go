package appfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/roster"
)

const whole = `# Points for orders.
id: loyalty
command: [python3, -m, loyalty]
build: [sh, install.sh]
port: 9000
ready: /ready
follows:
  - orders
  - topic: users
    path: /people
    bulk: true
    rules:
      - match: event.type == "user.deleted"
        path: /gone
publishes: [loyalty]
calls:
  - {app: orders, method: POST, path: /internal/contacts}
serves: [/api/v1/loyalty, /api/v1/loyalty/*]
uses: [state]
secrets: [LOYALTY_KEY]
settings: [POINTS_PER_EURO]
env: {GREETING: hello}
`

func TestAFileIsRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, Name), []byte(whole), 0o600))
	a, err := Read(dir)
	require.NoError(t, err)
	require.Equal(t, App{
		Path: filepath.Join(dir, Name), Dir: dir, ID: "loyalty", Port: 9000, Build: []string{"sh", "install.sh"},
		Start: []string{"python3", "-m", "loyalty"}, Ready: "/ready", Health: "/healthz", OpenAPI: "/openapi.json",
		Follows: []Topic{{Topic: "orders", Path: "/events/orders"}, {Topic: "users", Path: "/people", Bulk: true,
			Rules: []Rule{{Match: `event.type == "user.deleted"`, Path: "/gone"}}}},
		Publishes: []string{"loyalty"}, Calls: []Call{{App: "orders", Method: "POST", Path: "/internal/contacts"}},
		Serves: []string{"/api/v1/loyalty", "/api/v1/loyalty/*"}, Uses: []string{"state"},
		Secrets: []string{"LOYALTY_KEY"}, Settings: []string{"POINTS_PER_EURO"}, Env: map[string]string{"GREETING": "hello"},
	}, a)
	require.Equal(t, []roster.Log{roster.OrdersLog, roster.UsersLog}, a.Logs())
	entry := a.Entry()
	require.Equal(t, []string{"loyalty", "loyalty-dead"}, entry.Publishes())
	require.Equal(t, []string{"orders", "users", "loyalty-dead"}, entry.Receives())
	require.True(t, entry.UsesComponent("state"))
	require.True(t, entry.UsesComponent("pubsub"))
	require.False(t, entry.UsesComponent("mail"))
}

// Each error is one sentence with the file and the line.
func TestWhatIsWrongIsSaidWithItsLine(t *testing.T) {
	t.Parallel()
	replaced := func(old, with string) string {
		require.Contains(t, whole, old)
		return strings.Replace(whole, old, with, 1)
	}
	for _, c := range []struct{ text, want string }{
		{"", ":1: "},
		{"- a\n", ":1: expected members"},
		{"id: [", ":1: not YAML"},
		{whole + "---\nid: b\n", ":1: more than one document"},
		{whole + "colour: red\n", `:23: unknown member "colour"`},
		{replaced("path: /people", "pfad: /people"), `:10: unknown member "pfad"`},
		{replaced("method: POST", "verb: POST"), `:17: unknown member "verb"`},
		{replaced("port: 9000", "port: many"), ":5: cannot unmarshal"},
		{replaced("id: loyalty\n", ""), ":2: id is missing"},
		{replaced("id: loyalty", "id: Loyalty"), ":2: id: "},
		{replaced("id: loyalty", "id: orders"), `:2: id: the shop itself has an app "orders"`},
		{replaced("id: loyalty", "id: broker"), `:2: id: "broker" is the name of another process`},
		{replaced("id: loyalty", "id: products"), `:18: serves: "/api/v1/loyalty" is not below /api/v1/products`},
		{replaced("command: [python3, -m, loyalty]\n", ""), ":2: command is missing"},
		{replaced("port: 9000", "port: 80"), ":5: port: 80 is not a port"},
		{replaced("ready: /ready", "ready: ready"), `:6: ready: "ready" is not a path`},
		{replaced("- orders\n", "- {topic: orders, path: x}\n"), `:8: follows: "x" is not a path`},
		{replaced("topic: users", "topic: orders"), `:9: follows: lists the topic "orders" twice`},
		{replaced("        path: /gone\n", ""), ":9: follows: a rule needs"},
		{replaced("publishes: [loyalty]", "publishes: [orders]"), `:15: publishes: the topic "orders" belongs to the shop`},
		{replaced("publishes: [loyalty]", "publishes: [cart-dead]"), `:15: publishes: "cart-dead" is not a name`},
		{replaced("method: POST", "method: post"), `:17: calls: method "post" is none of GET`},
		{replaced("/internal/contacts", "internal"), `:17: calls: "internal" is not a path`},
		{replaced("/api/v1/loyalty/*", "/api/v1/orders/*"), `:18: serves: "/api/v1/orders/*" is not below /api/v1/loyalty`},
		{replaced("uses: [state]", "uses: [redis]"), `:19: uses: "redis" is none of state, workflow, mail`},
		{replaced("LOYALTY_KEY", "loyalty key"), `:20: secrets: "loyalty key" is not in capitals`},
		{replaced("POINTS_PER_EURO", "DAPR_API_TOKEN"), `:21: settings: "DAPR_API_TOKEN" is not in capitals`},
		{replaced("GREETING", "LD_PRELOAD"), `:22: env: "LD_PRELOAD" is not in capitals`},
		{replaced("[python3, -m, loyalty]", "["+strings.Repeat("x, ", 60)+"]"), ":3: command: more than 50"},
		{replaced("[python3, -m, loyalty]", "["+strings.Repeat("x", 2000)+"]"), ":3: command: an element is longer"},
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, Name), []byte(c.text), 0o600))
		_, err := Read(dir)
		require.ErrorContains(t, err, Name+c.want, c.text)
		require.NotContains(t, err.Error(), "\n")
	}
	_, err := Read(filepath.Join(t.TempDir(), "no-app"))
	require.ErrorContains(t, err, "no-app/app.yaml does not exist")
}

const replacing = `# Mails in another language.
replaces: notifications
command: [node, dist/main.js]
build: [npm, ci]
port: 9000
ready: /ready
health: /health
settings: [MAILS_PER_HOUR]
env: {GREETING: hello}
`

func TestAnAppMayReplaceOneOfTheShop(t *testing.T) {
	t.Parallel()
	a, err := parse([]byte(replacing))
	require.NoError(t, err)
	require.Equal(t, App{
		ID: "notifications", Replaces: "notifications", Start: []string{"node", "dist/main.js"}, Build: []string{"npm", "ci"},
		Port: 9000, Ready: "/ready", Health: "/health", OpenAPI: "/openapi.json", Settings: []string{"MAILS_PER_HOUR"},
		Env: map[string]string{"GREETING": "hello"},
	}, a)
	a, err = parse([]byte(replacing + "id: notifications\n"))
	require.NoError(t, err)
	require.Equal(t, "notifications", a.ID)

	const leaveOut = " an app that replaces notifications gets this from the shop: leave the member out"
	for text, want := range map[string]string{
		replacing + "id: mails\n":                    "10: id: an app that replaces notifications has its id: leave",
		replacing + "follows: [orders]\n":            "10: follows:" + leaveOut,
		replacing + "publishes: [mails]\n":           "10: publishes:" + leaveOut,
		replacing + "calls: []\n":                    "10: calls:" + leaveOut,
		replacing + "serves: [/api/v1/mails]\n":      "10: serves:" + leaveOut,
		replacing + "uses: [mail]\n":                 "10: uses:" + leaveOut,
		replacing + "secrets: [MAIL_KEY]\n":          "10: secrets:" + leaveOut,
		replacing + "keeps: [export]\n":              "10: keeps:" + leaveOut,
		replacing + "openapi: /api.json\n":           "10: openapi: the description of notifications is read at",
		replacing + "settings: [PATH]\n":             "10: mapping key \"settings\" already defined",
		"replaces: catalog\ncommand: [x]\nready: /r": "3: ready: the gateway asks catalog at /readyz",
		"replaces: notifications\n":                  "1: command is missing",
		"command: [x]\nreplaces: mails\n": `2: replaces: "mails" is none of catalog, cart, orders, users, ` +
			"notifications",
		"replaces: gateway\ncommand: [x]\n":    `1: replaces: "gateway" is none of catalog, cart, orders`,
		"replaces: watcher\ncommand: [x]\n":    `1: replaces: "watcher" is none of catalog, cart, orders`,
		"replaces: [orders]\ncommand: [x]\n":   "1: cannot unmarshal",
		"replaces: \"\"\ncommand: [x]\n":       "1: id is missing",
		"id: notifications\ncommand: [node]\n": `1: id: the shop itself has an app "notifications": ` + "`replaces`",
	} {
		_, err := parse([]byte(text))
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestAppsThatCannotBeInOneShopAreNamed(t *testing.T) {
	t.Parallel()
	one, two := App{Path: "a/app.yaml", ID: "one"}, App{Path: "b/app.yaml", ID: "two"}
	require.NoError(t, CheckTogether([]App{one, two}))
	for _, c := range []struct {
		change func(a, b *App)
		want   string
	}{
		{func(_, b *App) { b.ID = "one" }, `a/app.yaml and b/app.yaml have the same id "one"`},
		{func(a, b *App) { a.Port, b.Port = 9000, 9000 }, "a/app.yaml and b/app.yaml have the same port 9000"},
		{func(a, b *App) { a.Publishes, b.Publishes = []string{"t"}, []string{"t"} }, `publish the same topic "t"`},
		{func(a, _ *App) { a.Follows = []Topic{{Topic: "order"}} },
			`a/app.yaml follows the topic "order", which no app publishes: the topics are catalog, orders, stock, users`},
		{func(a, _ *App) { a.Calls = []Call{{App: "order"}} },
			`a/app.yaml calls the app "order", which the shop does not have: the apps are gateway, catalog`},
	} {
		a, b := one, two
		c.change(&a, &b)
		require.ErrorContains(t, CheckTogether([]App{a, b}), c.want)
	}
	first, second := App{Path: "a/app.yaml", ID: "cart", Replaces: "cart"}, App{Path: "b/app.yaml", ID: "cart"}
	second.Replaces = "cart"
	require.EqualError(t, CheckTogether([]App{first, second}), "a/app.yaml and b/app.yaml both replace cart")
	require.NoError(t, CheckTogether([]App{one, first}))
	one.Publishes, two.Follows = []string{"points"}, []Topic{{Topic: "points"}}
	two.Calls = []Call{{App: "one"}, {App: "users"}}
	require.NoError(t, CheckTogether([]App{one, two}), "an app may follow and call another that joins")
}

func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Add("id: a1\ncommand: [x]\nfollows: [{topic: &a orders}, *a]\n")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = parse([]byte(text)) })
}
