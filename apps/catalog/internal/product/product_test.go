package product

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

func euro(cents int64) money.Money { return money.New(cents, "EUR") }

func hat(handle string, sizes ...string) Product {
	p := Product{Handle: handle, Title: "A hat", Options: []Option{{Name: "Size"}}}
	for _, s := range sizes {
		p.Variants = append(p.Variants, Variant{Price: euro(1000), Options: map[string]string{"Size": s}})
	}
	return p
}

func TestRule2ProductsAreWhole(t *testing.T) {
	t.Parallel()
	usd := money.New(5, "USD")
	for name, c := range map[string]struct {
		change func(*Product)
		field  string
	}{
		"no title":        {func(p *Product) { p.Title = "  " }, "title"},
		"long title":      {func(p *Product) { p.Title = strings.Repeat("é", 251) }, "title"},
		"handle":          {func(p *Product) { p.Handle = "A b" }, "handle"},
		"status":          {func(p *Product) { p.Status = "gone" }, "status"},
		"no variants":     {func(p *Product) { p.Variants = nil }, "variants"},
		"101 variants":    {func(p *Product) { p.Variants = make([]Variant, 101) }, "variants"},
		"negative price":  {func(p *Product) { p.Variants[0].Price.Amount = -1 }, "variants[0].price.amount"},
		"huge price":      {func(p *Product) { p.Variants[0].Price.Amount = 1 << 60 }, "variants[0].price.amount"},
		"currency":        {func(p *Product) { p.Variants[0].Price.Currency = "XYZ" }, "variants[0].price.currency"},
		"two currencies":  {func(p *Product) { p.Variants[1].Price = usd }, "variants[1].price.currency"},
		"compare at":      {func(p *Product) { p.Variants[0].CompareAt = &usd }, "variants[0].compareAtPrice.currency"},
		"same options":    {func(p *Product) { p.Variants[1].Options = p.Variants[0].Options }, "variants[1].options"},
		"missing option":  {func(p *Product) { p.Variants[1].Options = nil }, "variants[1].options.Size"},
		"foreign option":  {func(p *Product) { p.Variants[1].Options["Hue"] = "x" }, "variants[1].options"},
		"undeclared":      {func(p *Product) { p.Options[0].Values = []string{"S"} }, "variants[1].options.Size"},
		"twice an option": {func(p *Product) { p.Options = append(p.Options, p.Options[0]) }, "options[1].name"},
		"SKU":             {func(p *Product) { p.Variants[0].SKU = "a/b" }, "variants[0].sku"},
		"dots":            {func(p *Product) { p.Variants[0].SKU = ".." }, "variants[0].sku"},
		"same SKU":        {func(p *Product) { p.Variants[0].SKU, p.Variants[1].SKU = "x", "x" }, "variants[1].sku"},
		"grams":           {func(p *Product) { p.Variants[0].Grams = -1 }, "variants[0].grams"},
		"script":          {func(p *Product) { p.Images = []Image{{URL: "javascript:alert(1)"}} }, "images[0].url"},
		"other host":      {func(p *Product) { p.Images = []Image{{URL: "//evil.test/x"}} }, "images[0].url"},
		"control":         {func(p *Product) { p.Brand = "a\x00b" }, "brand"},
		"UTF-8":           {func(p *Product) { p.Brand = "a\xff" }, "brand"},
		"too large": {func(p *Product) {
			for i := range p.Tags {
				p.Tags[i] = strings.Repeat("<", 250)
			}
			p.Description = strings.Repeat("<", 20_000)
			for range 50 {
				p.Images = append(p.Images, Image{URL: "/" + strings.Repeat("x", 1900), Alt: strings.Repeat("<", 500)})
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := hat("a", "S", "M")
			require.NoError(t, p.Check().Err())
			p = hat("a", "S", "M")
			c.change(&p)
			err := p.Check().Err()
			require.True(t, fault.Is(err, "invalid-request"), "%v", err)
			var at []string
			for _, f := range fault.Of(err).Fields {
				at = append(at, f.Location)
			}
			assert.Contains(t, at, c.field)
		})
	}
	p := Product{Title: "Crème & Café", Variants: []Variant{{Price: euro(0)}}}
	require.NoError(t, p.Check().Err())
	assert.Equal(t, "creme-cafe", p.Handle)
	assert.Equal(t, Active, p.Status)
}

// Browsers read a backslash as a slash, and skip tabs and line breaks.
func TestPicturesAreAbsoluteOrOfThisShop(t *testing.T) {
	t.Parallel()
	for url, valid := range map[string]bool{
		"/media/hat.svg": true, "/a/b%20c.png?w=1#x": true, "https://cdn.example/x.png": true, "http://cdn.example": true,
		"https://cdn.example/a%5cb": true, "/": true, "/h%C3%BCte.png": true, "/hüte.png": true,
		"//evil.test": false, `/\evil.test`: false, `\\evil.test`: false, `\/evil.test`: false, "/\t/evil.test": false,
		"/\n/evil.test": false, "/\r/evil.test": false, "\t//evil.test": false, " //evil.test": false, "/ /evil.test": false,
		"/%5cevil.test": false, "/%5Cevil.test": false, "/%2fevil.test": false, "/%2F%2Fevil.test": false,
		"/a/..%5c..%5cevil.test": false, `/a\b`: false, "/\u0085/x": false, "/\u2028x": false, "/\u00a0x": false,
		`https:\\evil.test`: false, `https:/\evil.test`: false, `https://cdn.example\@evil.test`: false,
		"https://cdn.example@evil.test/": false, "https://:443/x": false, "https:///evil.test": false,
		"https:evil.test": false, "ftp://cdn.example/x": false, "data:image/png,x": false, "media/hat.svg": false,
		"//": false, "": false, "\x00/x": false,
	} {
		p := hat("a", "S", "M")
		p.Images = []Image{{URL: url}}
		if err := p.Check().Err(); valid {
			require.NoError(t, err, "%q", url)
		} else {
			require.True(t, fault.Is(err, "invalid-request"), "%q", url)
			require.Equal(t, "images[0].url", fault.Of(err).Fields[0].Location, "%q", url)
		}
		p = hat("a", "S", "M")
		p.Variants[0].Image = url
		require.Equal(t, valid || url == "", p.Check().Err() == nil, "%q", url)
	}
}
