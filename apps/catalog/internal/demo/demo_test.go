package demo

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestItemsAreAValidCatalogue(t *testing.T) {
	t.Parallel()
	items := Items()
	assert.GreaterOrEqual(t, len(items), 36)
	handles, skus, categories := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range Categories() {
		require.Empty(t, c.Check())
		assert.True(t, c.Parent == "" || categories[c.Parent], "parents come first: %s", c.Handle)
		categories[c.Handle] = true
	}
	stocks := map[int64]int{}
	for _, it := range items {
		require.Empty(t, it.Whole.Check(), it.Handle)
		assert.False(t, handles[it.Handle], it.Handle)
		handles[it.Handle] = true
		assert.Len(t, it.Counts, len(it.Whole.Variants))
		assert.True(t, categories[it.Whole.Categories[0]], it.Handle)
		total := int64(0)
		for _, v := range it.Whole.Variants {
			assert.False(t, skus[v.SKU], v.SKU)
			skus[v.SKU] = true
			n := it.Counts[v.SKU]
			total += n
			assert.True(t, n == 0 || n == 1 || n >= 5 && n <= 200, "%s: %d", v.SKU, n)
		}
		stocks[min(total, 2)]++
	}
	assert.GreaterOrEqual(t, stocks[0], 2, "products without stock")
	assert.Equal(t, 1, stocks[1], "a product with one piece")
	assert.Equal(t, items, Items(), "the same each time")
}

func TestEveryImageIsDrawn(t *testing.T) {
	t.Parallel()
	for _, it := range Items() {
		for _, image := range it.Whole.Images {
			name := strings.TrimSuffix(strings.TrimPrefix(image.URL, "/media/"), ".svg")
			svg, ok := Picture(name)
			require.True(t, ok, image.URL)
			assert.Less(t, len(svg), 16<<10)
			d := xml.NewDecoder(strings.NewReader(string(svg)))
			for {
				if _, err := d.Token(); err == io.EOF {
					break
				} else {
					require.NoError(t, err, name)
				}
			}
			again, _ := Picture(name)
			assert.Equal(t, svg, again)
		}
	}
	for _, name := range []string{"", "felt-fedora_navy", "felt-fedora_pink", "nothing", "../etc"} {
		_, ok := Picture(name)
		assert.False(t, ok, name)
	}
}
