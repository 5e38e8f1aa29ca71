package archive

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"haberdash/internal/sidecar"
	"haberdash/internal/transfer"
)

// ImportEnv is the environment in which apps do nothing but accept an import.
var ImportEnv = map[string]string{"MOVE_IN": "on"}

// Import sends the items of an archive to the apps of a shop that was started with ImportEnv. It overwrites nothing,
// and may be repeated after it was interrupted. Errors name the app; one of them is that the store is not empty.
func Import(ctx context.Context, c Client, path string) error {
	_, _, err := read(path, func(app string, items []sidecar.Item) error {
		if len(items) == 0 {
			return nil
		}
		if err := c.importItems(ctx, app, items); err != nil {
			return fmt.Errorf("import %s: %w", app, err)
		}
		return nil
	})
	return err
}

func (c Client) importItems(ctx context.Context, app string, items []sidecar.Item) error {
	var body bytes.Buffer
	w := transfer.NewWriter(&body)
	for _, item := range items {
		if err := w.Put(item); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	req, err := c.request(ctx, app, http.MethodPost, "/internal/import", &body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", transfer.MediaType)
	var accepted struct{ Items int }
	if err := exchange(req, &accepted); err != nil {
		return err
	}
	if accepted.Items != len(items) {
		return fmt.Errorf("%d of %d items arrived", accepted.Items, len(items))
	}
	return nil
}
