package statetest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

func keys(t *testing.T, s sidecar.State) {
	var printable strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		printable.WriteByte(c)
	}
	names := []string{
		"a", "A", "a/", "a/b", "a//b", "a:b", "a=b", "a==", "a|b", "a%2Fb", "a%b", "a_b", "a*", "a?b#c&d",
		"a\\b", "a'b\"c", "../a", ".", "log/orders-0/000000000042", "email:ada+x@example.test",
		"c2-_=", printable.String(), strings.Repeat("k", 200),
	}
	full := make([]string, len(names))
	for i, name := range names {
		full[i] = key(t, name)
		require.NoError(t, s.Create(t.Context(), full[i], []byte(name)))
	}
	items, err := s.GetMany(t.Context(), full)
	require.NoError(t, err)
	require.Len(t, items, len(names))
	for i, name := range names {
		require.Equal(t, name, string(get(t, s, full[i]).Value))
		require.Equal(t, name, string(items[full[i]].Value))
		require.Equal(t, full[i], items[full[i]].Key)
	}
}

func values(t *testing.T, s sidecar.State) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	large := bytes.Repeat(every, 2000) // 500 KB
	all := map[string][]byte{
		"every byte": every, "null": []byte("null"), "number": []byte("1"), "text": []byte(`"x"`),
		"object": []byte(`{"b":1, "a":2}`), "list": []byte(`[1]`), "blank": []byte(" \n"),
		"base64": []byte("aGFsbG8="), "not UTF-8": {0xff, 0xfe}, "NUL": {0}, "large": large,
	}
	var names []string
	for name, value := range all {
		k := key(t, strings.ReplaceAll(name, " ", "-"))
		names = append(names, k)
		require.NoError(t, s.Put(t.Context(), k, value, ""), name)
		item := get(t, s, k)
		require.True(t, item.Found(), name)
		require.True(t, bytes.Equal(value, item.Value), "%s: %.40q", name, item.Value)
		require.NoError(t, s.Put(t.Context(), k, value, item.ETag), name)
	}
	items, err := s.GetMany(t.Context(), names)
	require.NoError(t, err)
	require.Len(t, items, len(all))
	for name, value := range all {
		got := items[key(t, strings.ReplaceAll(name, " ", "-"))].Value
		require.True(t, bytes.Equal(value, got), "%s in bulk: %.40q", name, got)
	}
}

func manyItems(t *testing.T, s sidecar.State) {
	const n = 250
	var items []sidecar.Item
	var names []string
	for i := range n {
		items = append(items, sidecar.Item{Key: key(t, fmt.Sprint(i)), Value: fmt.Append(nil, "v", i)})
		names = append(names, key(t, fmt.Sprint(i)), key(t, fmt.Sprint("missing", i)))
	}
	require.NoError(t, s.PutMany(t.Context(), items))
	require.NoError(t, s.PutMany(t.Context(), items), "a second time, unconditionally")
	conditional := key(t, "created-on-condition")
	require.NoError(t, s.Create(t.Context(), conditional, []byte("1")))
	require.NoError(t, s.Put(t.Context(), conditional, []byte("2"), ""))
	require.NoError(t, s.PutMany(t.Context(), []sidecar.Item{{Key: conditional, Value: []byte("3")}}))
	require.Equal(t, "3", string(get(t, s, conditional).Value))
	got, err := s.GetMany(t.Context(), names)
	require.NoError(t, err)
	require.Len(t, got, n)
	for _, item := range items {
		require.Equal(t, string(item.Value), string(got[item.Key].Value))
		require.Equal(t, get(t, s, item.Key).ETag, got[item.Key].ETag)
	}
	one, err := s.GetMany(t.Context(), names[:1])
	require.NoError(t, err)
	require.Len(t, one, 1)
}

// manyMegabytes reads more than fits into one message of a sidecar, as the recovery of a long log does.
func manyMegabytes(t *testing.T, s sidecar.State) {
	var items []sidecar.Item
	var names []string
	for i := range 40 {
		value := bytes.Repeat([]byte{byte('a' + i%26)}, 256<<10)
		items = append(items, sidecar.Item{Key: key(t, fmt.Sprint(i)), Value: value})
		names = append(names, items[i].Key)
	}
	require.NoError(t, s.PutMany(t.Context(), items[:30]))
	require.NoError(t, s.PutManyIf(t.Context(), items[30:]))
	got, err := s.GetMany(t.Context(), names)
	require.NoError(t, err)
	require.Len(t, got, len(items))
	for _, item := range items {
		require.True(t, bytes.Equal(item.Value, got[item.Key].Value), item.Key)
	}
}
