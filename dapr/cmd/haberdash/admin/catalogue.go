package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"haberdash/dapr/cmd/haberdash/lifecycle"
	"haberdash/dapr/launch/config"
)

// mediaTypes are the media types of catalogue files.
var mediaTypes = map[string]string{
	".csv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson",
}

// ImportCatalogue sends a catalogue file to the running shop: a .csv in Shopify's format, or an .ndjson with a product
// of the public API in each line.
func ImportCatalogue(ctx context.Context, o config.Options, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("name a catalogue file: make import FILE=products.csv")
	}
	contentType := mediaTypes[strings.ToLower(filepath.Ext(args[0]))]
	if contentType == "" {
		return fmt.Errorf("%s: expected a .csv (Shopify's product export) or .ndjson file", args[0])
	}
	file, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer file.Close()
	c, err := newClient(ctx, o)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/api/v1/products/import", file)
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
	if err := c.exchange(req, &report); err != nil {
		return fmt.Errorf("import %s: %w", args[0], err)
	}
	for _, e := range report.Errors {
		fmt.Printf("  line %d, %s: %s\n", e.Line, e.Handle, e.Reason)
	}
	fmt.Printf("%d created, %d updated, %d unchanged, %d failed\n",
		report.Created, report.Updated, report.Unchanged, report.Failed)
	if report.Failed > 0 {
		return lifecycle.ErrReported
	}
	return nil
}
