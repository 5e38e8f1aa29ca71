package ids_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"haberdash/apps/orders/internal/ids"
)

// The values are stored with orders, and compared after an upgrade.
func TestDerivedValuesStayTheSame(t *testing.T) {
	t.Parallel()
	d := ids.NewDeriver("test")
	order := d.OrderID("user/ada", "k")
	assert.Equal(t, "kdivm665c7dcsj63tulllgarhox7prg5", order)
	assert.Equal(t, "cih3nqb22b63mp52oxwc2d2o", d.PartID("fulfilment", order, "user/boss", "f"))
	assert.Equal(t, "1a5a9abe7fc712e890b23aded8453806ac07eab857f5636b72aa9d7d0ae38135",
		d.AccessToken("poj4uhztysblc6xv3f3sl2pb6zs4zdco"))
}

func TestDerivedValuesDependOnEachPartAndTheSecret(t *testing.T) {
	t.Parallel()
	d := ids.NewDeriver("test")
	values := map[string]bool{}
	for _, v := range []string{
		d.OrderID("user/ada", "k"), d.OrderID("user/adak", ""), d.OrderID("user/ada", "l"),
		ids.NewDeriver("other").OrderID("user/ada", "k"),
	} {
		values[v] = true
	}
	assert.Len(t, values, 4)
	assert.NotEqual(t, d.Fingerprint(map[string]int{"a": 1}), d.Fingerprint(map[string]int{"a": 2}))
	assert.Equal(t, d.Fingerprint(map[string]int{"a": 1, "b": 2}), d.Fingerprint(map[string]int{"b": 2, "a": 1}))
}
