package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"text/tabwriter"

	"haberdash/dapr/launch/config"
	"haberdash/internal/contract"
	"haberdash/internal/roster"
)

// Audit makes each app with a log compare its documents with the log, and prints the results.
func Audit(ctx context.Context, o config.Options, _ []string) error {
	shop, err := running(o)
	if err != nil {
		return err
	}
	t := auditTable(os.Stdout)
	var wrong []string
	for _, app := range roster.Logging() {
		var found contract.Audits
		if err := shop.internal(ctx, app, "audit", &found); err != nil {
			return fmt.Errorf("audit %s: %w", app, err)
		}
		for _, a := range found.Audits {
			auditRow(t, app, a)
			for _, d := range a.Differences {
				wrong = append(wrong, fmt.Sprintf("%s: %s is %s", app, d.Key, d.Kind))
			}
		}
	}
	t.Flush()
	for _, w := range wrong {
		fmt.Println(w)
	}
	if len(wrong) > 0 {
		return errors.New("documents differ from what the log yields")
	}
	return nil
}

func auditTable(w io.Writer) *tabwriter.Writer {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "APP\tLOG\tPROJECTION\tCOMMIT\tEVENTS\tDOCUMENTS\tDIGEST\tWRONG")
	return t
}

func auditRow(t *tabwriter.Writer, app string, a contract.Audit) {
	fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%.12s\t%d\n",
		app, a.Log, a.Projection, a.Commit, a.Events, a.Documents, a.Digest, a.Wrong)
}

// Erase makes orders erase the personal data of a guest's order, or the names and addresses on a year's invoices. args
// are the order and the year, one of them empty.
func Erase(ctx context.Context, o config.Options, args []string) error {
	if len(args) != 2 || (args[0] == "") == (args[1] == "") {
		return errors.New("name a guest's order or a year: make erase ORDER=…, or make erase INVOICES=2015")
	}
	what := "orders/" + url.PathEscape(args[0])
	if args[0] == "" {
		what = "invoices/" + url.PathEscape(args[1])
	}
	shop, err := running(o)
	if err != nil {
		return err
	}
	return shop.internal(ctx, "orders", "erasures/"+what, nil)
}
