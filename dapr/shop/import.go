package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"haberdash/dapr/launch"
)

// importFile sends a catalogue file to the running shop's public API as the administrator: a .csv in
// Shopify's format, or .ndjson of the API's own product form.
func importFile(ctx context.Context, o launch.Options, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("name a catalogue file: make import FILE=products.csv")
	}
	contentType := map[string]string{".csv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}[strings.ToLower(filepath.Ext(args[0]))]
	if contentType == "" {
		return fmt.Errorf("%s: expected a .csv (Shopify's product export) or .ndjson file", args[0])
	}
	file, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer file.Close()
	a, err := asAdministrator(ctx, o)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/api/v1/products/import", file)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	var report struct {
		Created, Updated, Unchanged, Failed int
		Errors                              []struct {
			Line           int
			Handle, Reason string
		}
	}
	if err := a.exchange(req, &report); err != nil {
		return fmt.Errorf("import %s: %w", args[0], err)
	}
	for _, e := range report.Errors {
		fmt.Printf("  line %d, %s: %s\n", e.Line, e.Handle, e.Reason)
	}
	fmt.Printf("%d created, %d updated, %d unchanged, %d failed\n", report.Created, report.Updated, report.Unchanged, report.Failed)
	if report.Failed > 0 {
		return errQuiet
	}
	return nil
}
