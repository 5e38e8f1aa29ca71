package buyers

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"

	"haberdash/tests/api"
	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/record"
)

// Import imports products with their stock, as the staff.
func (b *Buyers) Import(ctx context.Context, products []plan.Product) error {
	var file bytes.Buffer
	rows := csv.NewWriter(&file)
	_ = rows.Write([]string{ // writing to a buffer cannot fail
		"Handle", "Title", "Published", "Option1 Name", "Option1 Value", "Variant SKU", "Variant Grams",
		"Variant Inventory Tracker", "Variant Inventory Qty", "Variant Inventory Policy", "Variant Price",
		"Variant Requires Shipping", "Variant Taxable",
	})
	for _, p := range products {
		_ = rows.Write([]string{
			strings.ToLower(p.SKU), "A " + p.SKU, "true", "Title", "Default Title", p.SKU, "100",
			"shopify", fmt.Sprint(p.Quantity), "deny", p.Price,
			"true", "true",
		})
		b.Record.AddImport(p.SKU, p.Quantity)
	}
	rows.Flush()
	a, err := b.Staff.Do(ctx, api.Request{
		Method: http.MethodPost, Path: "/api/v1/products/import", Header: map[string]string{"Content-Type": "text/csv"},
		Body: file.Bytes(),
	})
	if err != nil {
		return err
	}
	var imported api.Imported
	if err := a.Decode(&imported); err != nil {
		return err
	}
	if imported.Created != len(products) {
		return fmt.Errorf("the import of %d products reports %+v", len(products), imported)
	}
	return nil
}

// Adjust makes a stock adjustment, as the staff, and records the answer.
func (b *Buyers) Adjust(ctx context.Context, planned plan.Adjustment) error {
	body := map[string]any{"delta": planned.Delta, "reason": planned.Reason}
	if planned.Location != "" {
		body["location"] = planned.Location
	}
	a, err := b.Staff.Do(ctx, api.Request{
		Method: http.MethodPost, Path: "/api/v1/stock/" + planned.SKU + "/adjustments",
		Header: map[string]string{"Idempotency-Key": planned.Key}, Body: body,
	})
	if err != nil {
		return err
	}
	refused := a.Status == http.StatusConflict && a.Problem().Name() == "insufficient-stock"
	if a.Status != http.StatusOK && !refused {
		b.Record.AddViolation(0, "adjustment %s: unexpected answer %d %.300s", planned.Key, a.Status, a.Body)
	}
	b.Record.AddAdjustment(record.Adjustment{Adjustment: planned, Status: a.Status})
	return nil
}
