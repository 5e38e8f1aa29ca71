package product

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logtest"
	"haberdash/internal/sidecar"
)

func TestReleases(t *testing.T) {
	t.Parallel()
	logtest.Releases(t, "catalog", Model(), func(state sidecar.State) {
		log, err := commitlog.Open(t.Context(), state, "catalog", "catalog", Model(), commitlog.Options{Resident: true})
		require.NoError(t, err)
		defer log.Close(context.Background())
		n := 0
		c := NewCatalog(log, func() string { n++; return fmt.Sprint("id-", n) })
		_, _, err = c.CreateCategory(t.Context(), Category{Handle: "head", Name: "For the head"})
		require.NoError(t, err)
		_, _, err = c.CreateCategory(t.Context(), Category{Handle: "hats", Name: "Hats", Parent: "head"})
		require.NoError(t, err)
		_, _, err = c.ReplaceCategory(t.Context(), Category{Handle: "hats", Name: "Hats and caps", Parent: "head"}, whatever)
		require.NoError(t, err)
		p := hat("a", "S", "M")
		before := euro(1200)
		p.Images, p.Categories = []Image{{URL: "/media/a.svg", Alt: "a hat"}}, []string{"hats"}
		p.Variants[0].SKU, p.Variants[0].CompareAt, p.Variants[0].Barcode, p.Variants[0].Grams = "A-S", &before, "4006381333931", 90
		made, _, err := c.Create(t.Context(), p)
		require.NoError(t, err)
		made.Title = "Another hat"
		_, _, err = c.Replace(t.Context(), made.ID, made, whatever)
		require.NoError(t, err)
		_, err = c.Import(t.Context(), []Item{{Line: 2, Handle: "b", Whole: &Product{Handle: "b", Title: "B", Variants: []Variant{{SKU: "B", Price: euro(500)}}}, Counts: map[string]int64{"B": 3}}})
		require.NoError(t, err)
		receipts, err := c.Receipts(t.Context())
		require.NoError(t, err)
		for _, r := range receipts {
			require.NoError(t, c.Settle(t.Context(), r.ID, false))
		}
		require.NoError(t, c.Delete(t.Context(), made.ID, whatever))
		require.NoError(t, c.DeleteCategory(t.Context(), "hats", whatever))
	})
}
