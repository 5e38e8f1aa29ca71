// Command ask evaluates every expression of the dashboards, rules and alerts in a Prometheus that scrapes a running
// shop. It prints those that are errors and those of dashboards and recording rules that return nothing, and ends with
// status 1 if there are any. Panels about a server must have data if the shop uses the server, and none otherwise:
//
//	go run ./cmd/ask -prometheus http://127.0.0.1:9090 -servers postgres,kafka
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"haberdash/deploy/observability/boards"
	"haberdash/deploy/observability/rules"
)

func main() {
	address := flag.String("prometheus", "http://127.0.0.1:9090", "the URL of Prometheus")
	servers := flag.String("servers", "", "the servers that the shop uses, of redis, postgres and kafka")
	flag.Parse()
	client, err := api.NewClient(api.Config{Address: *address})
	if err != nil {
		fmt.Fprintln(os.Stderr, "ask:", err)
		os.Exit(2)
	}
	asked, bad := ask(context.Background(), prometheus.NewAPI(client), strings.Split(*servers, ","))
	fmt.Printf("%d expressions, %d with a wrong answer\n", asked, bad)
	if bad > 0 {
		os.Exit(1)
	}
}

// data is what an expression may return.
type data int

const (
	some data = iota
	none
	any
)

// ask returns how many expressions were evaluated, and for how many there was an error, no data where there should be
// some, or data where there should be none.
func ask(ctx context.Context, p prometheus.API, servers []string) (asked, bad int) {
	evaluate := func(where, expr string, want data) {
		asked++
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		value, _, _, err := p.Query(ctx, expr, time.Now())
		vector, _ := value.(model.Vector)
		switch {
		case err != nil:
			bad++
			fmt.Printf("error    %s: %v\n         %s\n", where, err, expr)
		case want == some && len(vector) == 0:
			bad++
			fmt.Printf("no data  %s\n         %s\n", where, expr)
		case want == none && len(vector) > 0:
			bad++
			fmt.Printf("data     %s\n         %s\n", where, expr)
		}
	}
	for _, b := range boards.All() {
		for _, r := range b.Rows {
			for _, panel := range r.Panels {
				want := some
				if panel.Server != "" && !slices.Contains(servers, panel.Server) {
					want = none
				}
				for _, q := range panel.Queries {
					evaluate(b.Title+": "+panel.Title, q.PromQL(5*time.Minute), want)
				}
			}
		}
	}
	for _, g := range rules.Groups() {
		for _, r := range g.Records {
			evaluate(r.Name, r.Expr, some)
		}
		for _, a := range g.Alerts {
			evaluate(a.Name, a.Expr, any) // a healthy shop has none
		}
	}
	return asked, bad
}
