package move

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"haberdash/internal/sidecar"
	"haberdash/internal/transfer"
)

// MoveIn is the environment of apps that do nothing but take an import.
var MoveIn = map[string]string{"MOVE_IN": "on"}

// Import hands a file's items to the apps of a shop that was started to take them, see MoveIn. It may be repeated
// after it was interrupted. Errors name the app; what it says of a store that is not empty: nothing there was
// overwritten.
func Import(ctx context.Context, s Shop, path string) error {
	_, _, err := Read(path, func(app string, items []sidecar.Item) error {
		if len(items) == 0 {
			return nil
		}
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
		req, err := s.request(ctx, app, http.MethodPost, "/internal/import", &body)
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", transfer.MediaType)
		var taken struct{ Items int }
		if err := exchange(req, &taken); err != nil {
			return fmt.Errorf("import %s: %w", app, err)
		}
		if taken.Items != len(items) {
			return fmt.Errorf("import %s: %d of %d items arrived", app, taken.Items, len(items))
		}
		return nil
	})
	return err
}
