package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"

	"haberdash/dapr/launch"
	"haberdash/internal/contract"
)

// audited are the apps that keep logs.
var audited = []string{"catalog", "orders", "users"}

// audit has each app with a log compare its documents with the log. It asks through the app's own sidecar: the
// gateway does not let the question in.
func audit(ctx context.Context, o launch.Options, _ []string) error {
	st, err := running(o)
	if err != nil {
		return err
	}
	t := auditTable(os.Stdout)
	var wrong []string
	for _, app := range audited {
		var found contract.Audits
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, sidecarOf(st, app)+"/v1.0/invoke/"+app+"/method/internal/audit", nil)
		if err == nil {
			err = exchange(req, &found)
		}
		if err != nil {
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
		return errors.New("documents differ from what the log makes")
	}
	return nil
}

func auditTable(w io.Writer) *tabwriter.Writer {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "APP\tLOG\tPROJECTION\tCOMMIT\tEVENTS\tDOCUMENTS\tDIGEST\tWRONG")
	return t
}

func auditRow(t *tabwriter.Writer, app string, a contract.Audit) {
	fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%.12s\t%d\n", app, a.Log, a.Projection, a.Commit, a.Events, a.Documents, a.Digest, a.Wrong)
}

func sidecarOf(st launch.State, app string) string {
	for _, p := range st.Processes {
		if p.Name == app+"-daprd" {
			return fmt.Sprintf("http://127.0.0.1:%d", p.Ports["http"])
		}
	}
	return "http://127.0.0.1:0"
}
