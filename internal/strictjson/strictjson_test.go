package strictjson_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/strictjson"
)

type order struct {
	Email string `json:"email"`
	Lines []struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
	} `json:"lines"`
	Address *struct {
		City string `json:"city"`
	} `json:"address"`
	Gift bool `json:"gift"`
}

func TestErrorsNameTheLocation(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                                    "is not valid JSON (byte 1)",
		`{"email":"a"`:                        "is not valid JSON (byte 13)",
		`{} {}`:                               "is not valid JSON (byte 4)",
		`{"email":"a","email":"b"}`:           "email: is there more than once",
		`{"email":"a","\u0065mail":"b"}`:      "email: is there more than once",
		`{"x":{"a":1,"b":[{"c":1,"c":1}]}}`:   "x.b[0].c: is there more than once",
		`{"lines":[{"sku":"a"},{"sku":1}]}`:   "lines[1].sku: expected a string",
		`{"lines":[{"quantity":1.5}]}`:        "lines[0].quantity: expected a whole number in range",
		`{"lines":[{"quantity":1e30}]}`:       "lines[0].quantity: expected a whole number in range",
		`{"lines":{}}`:                        "lines: expected a list",
		`{"address":[]}`:                      "address: expected an object",
		`{"gift":"yes"}`:                      "gift: expected true or false",
		"{\"email\":\"\xff\"}":                "is not valid UTF-8",
		`{"email":"\ud800"}`:                  "is not valid JSON (byte 11)",
		`{"email":"a","EMAIL":"b","email":1}`: "email: is there more than once",
	} {
		err := strictjson.Unmarshal([]byte(text), new(order))
		require.EqualError(t, err, want, text)
		require.Equal(t, err, strictjson.Parse(want))
	}
	require.EqualError(t, strictjson.UnmarshalKnown([]byte(`{"EMAIL":"a"}`), new(order)), "EMAIL: unexpected property")
}

func TestNamesMatchExactly(t *testing.T) {
	t.Parallel()
	var o order
	require.NoError(t, strictjson.Unmarshal([]byte(`{"EMAIL":"a","Lines":[],"email":"b"}`), &o))
	require.Equal(t, order{Email: "b"}, o)
}

// A text without duplicates is decoded as encoding/json decodes it.
func TestAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	value := rapid.Deferred(func() *rapid.Generator[any] { return anyValue(4) })
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(value.Draw(t, "value"))
		require.NoError(t, err)
		var want, got any
		require.NoError(t, json.Unmarshal(text, &want))
		require.NoError(t, strictjson.Unmarshal(text, &got))
		require.Equal(t, want, got)
	})
}

func anyValue(depth int) *rapid.Generator[any] {
	leaf := []*rapid.Generator[any]{
		rapid.String().AsAny(), rapid.Float64Range(-1e9, 1e9).AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil),
	}
	if depth > 0 {
		below := anyValue(depth - 1)
		leaf = append(leaf, rapid.SliceOfN(below, 0, 4).AsAny(), rapid.MapOfN(rapid.String(), below, 0, 4).AsAny())
	}
	return rapid.OneOf(leaf...)
}

// members returns an object with n members.
func members(n int) []byte {
	text := []byte(`{"a":0`)
	for i := range n - 1 {
		text = append(text, `,"`+strconv.Itoa(i)+`":0`...)
	}
	return append(text, '}')
}

func TestTheNumberOfValuesIsBounded(t *testing.T) {
	t.Parallel()
	var v map[string]any
	require.NoError(t, strictjson.Unmarshal(members(strictjson.MaxValues/2-1), &v))
	err := strictjson.Unmarshal(members(strictjson.MaxValues/2), &v)
	require.EqualError(t, err, "has more than 20000 values and names")
}

// The largest text that is decoded, and one of 1 MB that is refused.
func BenchmarkUnmarshal(b *testing.B) {
	for name, text := range map[string][]byte{
		"most": members(strictjson.MaxValues/2 - 1), "too-many": members(100_000),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				var v any
				_ = strictjson.Unmarshal(text, &v)
			}
		})
	}
}
