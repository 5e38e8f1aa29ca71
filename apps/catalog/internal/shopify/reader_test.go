package shopify

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/catalog/internal/imports"
	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/fault"
)

const header = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU," +
	"Variant Grams,Variant Inventory Qty,Variant Price,Variant Compare At Price,Image Src\n"

func unchanged(s string) string { return s }

func read(t require.TestingT, text string) (items []imports.Item, wrong []imports.RowError) {
	r, err := NewReader(strings.NewReader(text), "EUR", unchanged)
	require.NoError(t, err)
	for {
		item, bad, err := r.Next()
		wrong = append(wrong, bad...)
		if item != nil {
			items = append(items, *item)
		}
		if err == io.EOF {
			return items, wrong
		}
		require.NoError(t, err)
	}
}

func TestRowsWithOneHandleAreOneProduct(t *testing.T) {
	t.Parallel()
	items, wrong := read(t, header+
		"Hat,A hat,<p>Warm</p>,Acme,Headwear > Hats,\"wool, winter\",true,Size,S,H-S,120,4,50,60.5,https://x.test/1.jpg\n"+
		"hat,,,,,,,,M,,,0,55.10,,\n"+
		"hat,,,,,,,,,,,,,,https://x.test/2.jpg\n"+
		"sock,Sock,,,,,FALSE,Title,Default Title,'007,,,1,0,\n")
	assert.Empty(t, wrong)
	require.Len(t, items, 2)
	hat := items[0]
	assert.Equal(t, "hat", hat.Handle)
	assert.Equal(t, []string{"headwear-hats"}, hat.Fields.Categories)
	assert.Equal(t, []product.Category{
		{Handle: "headwear", Name: "Headwear"}, {Handle: "headwear-hats", Name: "Hats", Parent: "headwear"},
	}, hat.Categories)
	assert.Equal(t, []string{"wool", "winter"}, hat.Fields.Tags)
	require.Len(t, hat.Variants, 2)
	assert.Equal(t, int64(5000), hat.Variants[0].Price.Amount)
	assert.Equal(t, int64(6050), hat.Variants[0].CompareAt.Amount)
	assert.Equal(t, int64(4), *hat.Variants[0].Quantity)
	assert.Equal(t, int64(0), *hat.Variants[1].Quantity)
	assert.Equal(t, []int{2, 3}, []int{hat.Variants[0].Line, hat.Variants[1].Line})
	assert.Len(t, hat.Images, 2)
	sock := items[1]
	assert.Equal(t, product.Draft, sock.Fields.Status)
	assert.Empty(t, sock.OptionNames)
	assert.Equal(t, "007", sock.Variants[0].SKU)
	assert.Nil(t, sock.Variants[0].CompareAt)
	assert.Nil(t, sock.Variants[0].Quantity)
}

func TestByteOrderMarksLineEndsAndQuotedLines(t *testing.T) {
	t.Parallel()
	rows := "a,A,\"line one\nline \"\"two\"\"\n\",,,,,,,,,,1,,\n\n,,,,\nb,B,,,,,,,,,,,2,,\nc,C,,,,,,,,,,,x,,"
	items, wrong := read(t, "\uFEFF"+strings.ReplaceAll(header+rows, "\n", "\r\n"))
	require.Len(t, items, 3)
	assert.Equal(t, "line one\nline \"two\"", strings.TrimSpace(items[0].Fields.Description))
	assert.Equal(t, 7, items[1].Line)
	notDecimal := "Variant Price: \"x\" is not a decimal amount in EUR"
	assert.Equal(t, []imports.RowError{{Line: 8, Handle: "c", Reason: notDecimal}}, wrong)
}

func TestABrokenRowDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ row, handle, reason string }{
		"lost quote":      {"bad,\"Bad,,,,,,,,,,,1,,", "bad", "quote"},
		"stray quote":     {"bad,\"B\"ad,,,,,,,,,,,1,,", "bad", "quotes"},
		"no handle":       {",Bad,,,,,,,,,,,1,,", "", "Handle"},
		"empty slug":      {"!!!,Bad,,,,,,,,,,,1,,", "!!!", "Handle"},
		"price":           {"bad,Bad,,,,,,,,,,,1e3,,", "bad", "Variant Price"},
		"negative price":  {"bad,Bad,,,,,,,,,,,-1,,", "bad", "Variant Price: is negative"},
		"huge price":      {"bad,Bad,,,,,,,,,,,99999999999999999999,,", "bad", "Variant Price"},
		"fraction":        {"bad,Bad,,,,,,,,,,,1.999,,", "bad", "Variant Price"},
		"no price":        {"bad,Bad,,,,,,Size,S,,,,,,", "bad", "Variant Price: is missing"},
		"quantity":        {"bad,Bad,,,,,,,,,,-1,1,,", "bad", "Variant Inventory Qty"},
		"huge quantity":   {"bad,Bad,,,,,,,,,,99999999999999999999,1,,", "bad", "Variant Inventory Qty"},
		"words":           {"bad,Bad,,,,,,,,,,many,1,,", "bad", "Variant Inventory Qty"},
		"grams":           {"bad,Bad,,,,,,,,,1.5,,1,,", "bad", "Variant Grams"},
		"published":       {"bad,Bad,,,,,perhaps,,,,,,1,,", "bad", "Published"},
		"too many fields": {"bad,Bad,,,,,,,,,,,1,,,surplus", "bad", "more fields"},
		"encoding":        {"bad,B\xffd,,,,,,,,,,,1,,", "bad", "UTF-8"},
		"nothing":         {"good,,,,,,,,,,,,,,", "good", "neither variant nor image"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			items, wrong := read(t, header+"good,Good,,,,,,Size,S,,,,1,,\n"+c.row+
				"\ngood,,,,,,,,M,,,,2,,\nlast,Last,\"a\nb\",,,,,,,,,,3,,\n")
			require.Len(t, wrong, 1)
			assert.Equal(t, 3, wrong[0].Line)
			assert.Equal(t, c.handle, wrong[0].Handle)
			assert.Contains(t, wrong[0].Reason, c.reason)
			var prices []int64
			for _, it := range items {
				for _, v := range it.Variants {
					prices = append(prices, v.Price.Amount)
				}
			}
			assert.Equal(t, []int64{100, 200, 300}, prices, "the other rows")
		})
	}
}

func TestTheHeaderMustHaveTheColumnsOfAnExport(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n\n", "a,b,c\n1,2,3\n", "Handle;Title;Variant Price\n", "\"", "\x00\xff\xfe"} {
		_, err := NewReader(strings.NewReader(text), "EUR", unchanged)
		var notExport FileError
		assert.ErrorAs(t, err, &notExport, "%q", text)
	}
	_, err := NewReader(strings.NewReader(header), "XXX", unchanged)
	assert.True(t, fault.Is(err, "invalid-request"))
	items, wrong := read(t, "variant PRICE, Title ,Cost per item,Handle\n12,Hat,3,hat\n")
	assert.Empty(t, wrong)
	assert.Equal(t, int64(1200), items[0].Variants[0].Price.Amount, "the order of columns does not matter")
}

func TestErrorsOfTheSourceAreReturned(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	begin := strings.NewReader(header + "a,A,,,,,,,,,,,1,,\n\"open")
	r, err := NewReader(io.MultiReader(begin, iotest.ErrReader(boom)), "EUR", unchanged)
	require.NoError(t, err)
	_, _, err = r.Next()
	assert.ErrorIs(t, err, boom)
}

// An open quote hides at most maxRecord bytes from the reader, never the file, and the time to read does not grow with
// the square of the size.
func TestAnOpenQuoteInALargeFile(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(header + "bad,\"Bad,,,,,,,,,,,1,,\n")
	for range 60_000 {
		b.WriteString("a,A,,,,,,,,,,,1,,\n")
	}
	items, wrong := read(t, b.String())
	require.Len(t, wrong, 1)
	n := 0
	for _, it := range items {
		n += len(it.Variants)
	}
	assert.Equal(t, 60_000, n)
}

// Reading ends for any file, and every row error names a line of it.
func TestAnyTextIsReadToTheEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringOf(rapid.SampledFrom([]rune("ab,\"\n\r1.5é\x00-"))).Draw(t, "body")
		_, wrong := read(t, header+body)
		for _, w := range wrong {
			assert.Greater(t, w.Line, 1)
			assert.NotEmpty(t, w.Reason)
		}
	})
}
