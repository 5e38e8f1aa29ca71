package logs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	trace = "0af7651916cd43dd8448eb211c80319c"
	order = "isdqyubrte4ygre3rbdgtasnf6uzs5fp"
)

// writeLogs makes a run directory with the logs of a shop.
func writeLogs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, lines := range map[string][]string{
		".dapr/logs/gateway_app_20260102150405.log": {
			`{"log.level":"info","ecs.version":"8.17.0","service.name":"gateway","trace.id":"` + trace + `",` +
				`"span.id":"b7ad6b7169203331",` +
				`"http.request.id":"` + trace + `","http.request.method":"POST","haberdash.route":"/api/v1/orders",` +
				`"http.response.status_code":201,"event.duration":12345678,"@timestamp":"2026-01-02T15:00:03Z",` +
				`"message":"request"}`,
			`panic: a bug`, `goroutine 1 [running]:`,
		},
		".dapr/logs/orders_app_20260102150405.log": {
			`ℹ️  Starting Dapr with id orders`,
			`{"log.level":"info","service.name":"orders","trace.id":"` + trace + `","event.action":"order.placed",` +
				`"haberdash.order":"` + order + `","haberdash.order_number":"H10","@timestamp":"2026-01-02T15:00:02Z",` +
				`"message":"order.placed"}`,
			`{"log.level":"info","haberdash.order":"other","haberdash.order_number":"H1","@timestamp":"2026-01-02T15:00:04Z",` +
				`"message":"order.placed"}`,
			`{"log.level":"error","error.message":"connection refused","error.stack_trace":"main.go:1\n\tmain.go:2",` +
				`"@timestamp":"2026-01-02T15:00:05Z","message":"a handler panicked"}`,
		},
		".dapr/logs/orders_daprd_20260102150405.log": {
			`time="2026-01-02T15:00:01.5Z" level=warning msg="a component \"state\" is slow" app_id=orders instance=h ` +
				`scope=dapr.runtime type=log ver=1`,
			`{"app_id":"orders","instance":"h","level":"error","msg":"json","scope":"dapr.runtime",` +
				`"time":"2026-01-02T15:00:06Z","type":"log"}`,
		},
		".dapr/logs/catalog_app_20260102150405.log": {
			`{"log.level":"info","haberdash.aggregate":"hold/` + order + `","@timestamp":"2026-01-02T15:00:02.5Z",` +
				`"message":"stock.reserved"}`,
		},
		"logs/broker.log": {"listening on 23108"},
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	}
	return dir
}

var clock = regexp.MustCompile(`(?m)^\d\d:\d\d:(\d\d\.\d{3}) `)

// printed returns what a new Reader prints, with seconds for times.
func printed(t *testing.T, dir string, filter Filter, format Format) string {
	t.Helper()
	r, err := NewReader(dir, filter, format)
	require.NoError(t, err)
	var b strings.Builder
	_, err = r.Print(&b)
	require.NoError(t, err)
	return clock.ReplaceAllString(b.String(), "$1 ")
}

func TestLinesAreReadableAndSorted(t *testing.T) {
	t.Parallel()
	require.Equal(t, `orders              ℹ️  Starting Dapr with id orders
broker              listening on 23108
01.500 orders-daprd        WRN a component "state" is slow scope=dapr.runtime
02.000 orders              INF order.placed trace=`+trace+` order=`+order+` order_number=H10
02.500 catalog             INF stock.reserved aggregate=hold/`+order+`
03.000 gateway             INF request trace=`+trace+` method=POST route=/api/v1/orders status=201 took=12.346ms
gateway             panic: a bug
gateway             goroutine 1 [running]:
04.000 orders              INF order.placed order=other order_number=H1
05.000 orders              ERR a handler panicked error="connection refused"
    main.go:1
      main.go:2
06.000 orders-daprd        ERR json scope=dapr.runtime
`, printed(t, writeLogs(t), Filter{}, Format{}))
}

func TestFiltersChooseLines(t *testing.T) {
	t.Parallel()
	dir := writeLogs(t)
	seconds := func(f Filter) (list string) {
		for line := range strings.Lines(printed(t, dir, f, Format{})) {
			if m := regexp.MustCompile(`^(\d\d)\.|^\w+ +(\w+)`).FindStringSubmatch(line); m != nil {
				list += m[1] + m[2] + " "
			}
		}
		return strings.TrimSpace(list)
	}
	require.Equal(t, "listening 01 panic goroutine 05 06", seconds(Filter{Level: "warn"}), "a crash is shown")
	require.Equal(t, "01 02 04 05 06", seconds(Filter{Process: "orders", Level: "info"}), "and its sidecar")
	require.Equal(t, "02 03", seconds(Filter{Trace: trace}))
	require.Equal(t, "02 03", seconds(Filter{Trace: "00-" + trace + "-b7ad6b7169203331-01"}))
	require.Equal(t, "02 02", seconds(Filter{Order: order}))
	require.Equal(t, "02 02", seconds(Filter{Order: "H10"}), "the lines of other apps have the id of the order")
	require.Equal(t, "02", seconds(Filter{Order: "H10", Process: "catalog"}))
	require.Equal(t, "04", seconds(Filter{Order: "H1"}), "H10 is another order")
	require.Empty(t, seconds(Filter{Order: "H2"}))
	_, err := NewReader(dir, Filter{Level: "loud"}, Format{})
	require.ErrorContains(t, err, "the choices are debug, info, warn, error")
}

func TestColourIsOnlyAdded(t *testing.T) {
	t.Parallel()
	dir := writeLogs(t)
	coloured := printed(t, dir, Filter{}, Format{Colour: true})
	require.Contains(t, coloured, "\x1b[31mERR\x1b[0m")
	plain := colours.ReplaceAllString(coloured, "")
	require.Equal(t, printed(t, dir, Filter{}, Format{}), clock.ReplaceAllString(plain, "$1 "))
}

// A log may have what strangers have sent. It does not reach the terminal as a command, in any format.
func TestHostileBytesDoNotReachTheTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "logs", "orders.log")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	const evil = "\x1b]0;pwned\a\x1b[2J\u009b31m\u202egpj\r\x00\xff\U000e0041"
	escaped, err := json.Marshal(evil)
	require.NoError(t, err)
	inJSON := strings.TrimSuffix(strings.TrimPrefix(string(escaped), `"`), `"`)
	line := `{"log.level":"info","@timestamp":"2026-01-02T15:00:03Z","message":"` + inJSON + `",` +
		`"` + inJSON + `":"` + inJSON +
		`","error.stack_trace":"` + inJSON + `"}`
	require.True(t, json.Valid([]byte(line)))
	lines := []string{line, evil, `time="2026-01-02T15:00:03Z" level=info msg="\x1b[2J\u009b" a=` + evil, `{"a":` + evil}
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	for _, f := range []Format{{}, {JSON: true}} {
		out := printed(t, dir, Filter{}, f)
		require.Contains(t, out, "pwned")
		require.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f\x{80}-\x{9f}\x{202e}\x{e0041}]`, out)
	}
	raw, _, _ := strings.Cut(printed(t, dir, Filter{}, Format{JSON: true}), "\n")
	require.JSONEq(t, line, raw, "JSON stays the same JSON")
}

func TestNewLinesAreFollowed(t *testing.T) {
	t.Parallel()
	dir := writeLogs(t)
	r, err := NewReader(dir, Filter{Order: "H11"}, Format{})
	require.NoError(t, err)
	var b strings.Builder
	found, err := r.Print(&b)
	require.NoError(t, err)
	require.True(t, found)
	require.Empty(t, b.String())
	add := func(app, text string) {
		f, err := os.OpenFile(filepath.Join(dir, ".dapr/logs/"+app+"_app_20260102150405.log"), os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteString(text)
		require.NoError(t, err)
	}
	add("orders", `{"log.level":"info","haberdash.order":"eleven","haberdash.order_number":"H11",`+
		`"@timestamp":"2026-01-02T15:00:07Z","message":"order.placed"}`+"\n"+`{"log.level":"info","half`)
	add("catalog", `{"log.level":"info","haberdash.order":"eleven","@timestamp":"2026-01-02T15:00:08Z",`+
		`"message":"stock.reserved"}`+"\n")
	_, err = r.Print(&b)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(b.String(), "eleven"), b.String())
	require.NotContains(t, b.String(), "half")
	r, err = NewReader(dir, Filter{}, Format{})
	require.NoError(t, err)
	_, err = r.Print(&b)
	require.NoError(t, err)
	add("orders", "\nafter half\n")
	add("gateway", `{"log.level":"info","@timestamp":"2026-01-02T15:00:04Z","message":"earlier"}`+"\n")
	b.Reset()
	_, err = r.Print(&b)
	require.NoError(t, err)
	require.Less(t, strings.Index(b.String(), "earlier"), strings.Index(b.String(), "after half"),
		"a line without a time comes after the one before it in its file")
}
