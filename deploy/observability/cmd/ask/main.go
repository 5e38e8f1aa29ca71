// Command ask evaluates every expression of the dashboards, rules and alerts in a Prometheus that scrapes a running
// shop. It prints those that are errors and those of dashboards and recording rules that return nothing, and ends with
// status 1 if there are any:
//
//	go run ./cmd/ask -prometheus http://127.0.0.1:9090
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"haberdash/deploy/observability/boards"
	"haberdash/deploy/observability/rules"
)

func main() {
	address := flag.String("prometheus", "http://127.0.0.1:9090", "the URL of Prometheus")
	flag.Parse()
	client, err := api.NewClient(api.Config{Address: *address})
	if err != nil {
		fmt.Fprintln(os.Stderr, "ask:", err)
		os.Exit(2)
	}
	asked, bad := ask(context.Background(), prometheus.NewAPI(client))
	fmt.Printf("%d expressions, %d without an answer\n", asked, bad)
	if bad > 0 {
		os.Exit(1)
	}
}

// ask returns how many expressions were evaluated, and for how many there was an error or, where there should be, no
// data.
func ask(ctx context.Context, p prometheus.API) (asked, bad int) {
	evaluate := func(where, expr string, data bool) {
		asked++
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		value, _, _, err := p.Query(ctx, expr, time.Now())
		vector, _ := value.(model.Vector)
		switch {
		case err != nil:
			bad++
			fmt.Printf("error    %s: %v\n         %s\n", where, err, expr)
		case data && len(vector) == 0:
			bad++
			fmt.Printf("no data  %s\n         %s\n", where, expr)
		}
	}
	for _, b := range boards.All() {
		for _, r := range b.Rows {
			for _, panel := range r.Panels {
				for _, q := range panel.Queries {
					evaluate(b.Title+": "+panel.Title, q.PromQL(5*time.Minute), true)
				}
			}
		}
	}
	for _, g := range rules.Groups() {
		for _, r := range g.Records {
			evaluate(r.Name, r.Expr, true)
		}
		for _, a := range g.Alerts {
			evaluate(a.Name, a.Expr, false) // a healthy shop has none
		}
	}
	return asked, bad
}
