package names_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"haberdash/apps/catalog/internal/names"
)

func TestSlugsAndDerivedSKUsAreAlwaysValid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		if h := names.Slug(name); h != "" {
			assert.Empty(t, names.CheckHandle(h), "%q", h)
			assert.Equal(t, h, names.Slug(h))
		}
		if h := names.CleanHandle(name); h != "" {
			assert.Empty(t, names.CheckHandle(h), "%q", h)
		}
		values := rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "values")
		for _, taken := range []bool{false, true} {
			sku := names.DeriveSKU(name, values, func(string) bool { return taken })
			assert.Empty(t, names.CheckSKU(sku), "%q", sku)
		}
	})
}
