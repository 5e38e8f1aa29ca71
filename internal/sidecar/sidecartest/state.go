// Package sidecartest is what every adapter of internal/sidecar's ports must pass: the memory doubles, and
// the Dapr adapter through a real sidecar on each store and broker. An adapter's test is its constructor.
package sidecartest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

// TestState checks sidecar.State. open gives a store that nobody else uses; it may hold other keys.
func TestState(t *testing.T, open func(t *testing.T) sidecar.State) {
	store := open(t)
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s sidecar.State)
	}{
		{"a missing key is no error", missingKey},
		{"what is put is got", putAndGet},
		{"values are copied", copies},
		{"keys keep apart", keys},
		{"values of every kind and size", values},
		{"many at once", many},
		{"much at once", much},
		{"put only what is unchanged", putIf},
		{"delete", remove},
		{"create once", create},
		{"of twenty creators one wins", createContention},
		{"of twenty writers of one version one wins", putContention},
		{"put many if unchanged", putManyIf},
		{"a lifetime ends", lifetime},
		{"an ended context is an error", endedContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, store) })
	}
}

// key is unique to a test, so that the tests can share a store.
func key(t *testing.T, rest string) string {
	return strings.ReplaceAll(t.Name(), "#", "_") + "/" + rest
}

func get(t *testing.T, s sidecar.State, key string) sidecar.Item {
	t.Helper()
	item, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, key, item.Key)
	return item
}

func put(t *testing.T, s sidecar.State, key, value string) sidecar.Item {
	t.Helper()
	require.NoError(t, s.Put(t.Context(), key, []byte(value), ""))
	item := get(t, s, key)
	require.True(t, item.Found())
	require.Equal(t, value, string(item.Value))
	return item
}

func missingKey(t *testing.T, s sidecar.State) {
	require.False(t, get(t, s, key(t, "none")).Found())
	items, err := s.GetMany(t.Context(), []string{key(t, "none"), key(t, "none2")})
	require.NoError(t, err)
	require.Empty(t, items)
	items, err = s.GetMany(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, items)
	require.NoError(t, s.PutMany(t.Context(), nil))
	require.NoError(t, s.PutManyIf(t.Context(), nil))
	require.NoError(t, s.Delete(t.Context(), key(t, "none"), ""))
}

func putAndGet(t *testing.T, s sidecar.State) {
	first := put(t, s, key(t, "k"), `{"n":1}`)
	second := put(t, s, key(t, "k"), `{"n":2}`)
	require.NotEqual(t, first.ETag, second.ETag)
	third := put(t, s, key(t, "k"), `{"n":2}`)
	require.NotEqual(t, second.ETag, third.ETag, "every write changes the ETag")
	require.Equal(t, third, get(t, s, key(t, "k")), "reading does not")
}

func copies(t *testing.T, s sidecar.State) {
	value := []byte("abc")
	require.NoError(t, s.Put(t.Context(), key(t, "k"), value, ""))
	value[0] = 'X'
	item := get(t, s, key(t, "k"))
	require.Equal(t, "abc", string(item.Value))
	item.Value[0] = 'Y'
	require.Equal(t, "abc", string(get(t, s, key(t, "k")).Value))
}

func keys(t *testing.T, s sidecar.State) {
	var printable strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		printable.WriteByte(c)
	}
	names := []string{
		"a", "A", "a/", "a/b", "a//b", "a:b", "a=b", "a==", "a|b", "a%2Fb", "a%b", "a_b", "a*", "a?b#c&d", "a\\b", "a'b\"c", "../a", ".",
		"log/orders-0/000000000042", "email:ada+x@example.test", "c2-_=", printable.String(), strings.Repeat("k", 200),
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
		"every byte": every, "null": []byte("null"), "number": []byte("1"), "text": []byte(`"x"`), "object": []byte(`{"b":1, "a":2}`),
		"list": []byte(`[1]`), "blank": []byte(" \n"), "base64": []byte("aGFsbG8="), "not UTF-8": {0xff, 0xfe}, "NUL": {0}, "large": large,
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

func many(t *testing.T, s sidecar.State) {
	const n = 250
	var items []sidecar.Item
	var names []string
	for i := range n {
		items = append(items, sidecar.Item{Key: key(t, fmt.Sprint(i)), Value: fmt.Append(nil, "v", i)})
		names = append(names, key(t, fmt.Sprint(i)), key(t, fmt.Sprint("missing", i)))
	}
	require.NoError(t, s.PutMany(t.Context(), items))
	require.NoError(t, s.PutMany(t.Context(), items), "again, unconditionally")
	made := key(t, "made-on-condition")
	require.NoError(t, s.Create(t.Context(), made, []byte("1")))
	require.NoError(t, s.Put(t.Context(), made, []byte("2"), ""))
	require.NoError(t, s.PutMany(t.Context(), []sidecar.Item{{Key: made, Value: []byte("3")}}))
	require.Equal(t, "3", string(get(t, s, made).Value))
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

// much is more than one message of a sidecar holds: a log after a rush is read like this.
func much(t *testing.T, s sidecar.State) {
	var items []sidecar.Item
	var names []string
	for i := range 40 {
		items = append(items, sidecar.Item{Key: key(t, fmt.Sprint(i)), Value: bytes.Repeat([]byte{byte('a' + i%26)}, 256<<10)})
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

func putIf(t *testing.T, s sidecar.State) {
	k, ctx := key(t, "k"), t.Context()
	old := put(t, s, k, "1")
	require.NoError(t, s.Put(ctx, k, []byte("2"), old.ETag))
	require.ErrorIs(t, s.Put(ctx, k, []byte("3"), old.ETag), sidecar.ErrStale)
	now := get(t, s, k)
	require.Equal(t, "2", string(now.Value))
}

func remove(t *testing.T, s sidecar.State) {
	k, ctx := key(t, "k"), t.Context()
	old := put(t, s, k, "1")
	now := put(t, s, k, "2")
	require.ErrorIs(t, s.Delete(ctx, k, old.ETag), sidecar.ErrStale)
	require.True(t, get(t, s, k).Found())
	require.NoError(t, s.Delete(ctx, k, now.ETag))
	require.False(t, get(t, s, k).Found())
	require.NoError(t, s.Delete(ctx, k, now.ETag), "what is gone already")
	require.NoError(t, s.Delete(ctx, k, ""))
	put(t, s, k, "3")
	require.NoError(t, s.Delete(ctx, k, ""))
	require.False(t, get(t, s, k).Found())
}

func create(t *testing.T, s sidecar.State) {
	k, ctx := key(t, "k"), t.Context()
	require.NoError(t, s.Create(ctx, k, []byte("first")))
	require.ErrorIs(t, s.Create(ctx, k, []byte("second")), sidecar.ErrExists)
	require.Equal(t, "first", string(get(t, s, k).Value))
	require.NoError(t, s.Delete(ctx, k, ""))
	require.NoError(t, s.Create(ctx, k, []byte("third")))
}

// contend lets twenty workers go at once and returns the one that won; the others must fail with lost.
func contend(t *testing.T, lost error, work func(worker int) error) int {
	t.Helper()
	const workers = 20
	start := make(chan struct{})
	errs := make([]error, workers)
	var wait sync.WaitGroup
	for i := range workers {
		wait.Go(func() {
			<-start
			errs[i] = work(i)
		})
	}
	close(start)
	wait.Wait()
	winner := -1
	for i, err := range errs {
		if err == nil {
			require.Equal(t, -1, winner, "two winners")
			winner = i
			continue
		}
		require.ErrorIs(t, err, lost)
	}
	require.NotEqual(t, -1, winner, "no winner")
	return winner
}

func createContention(t *testing.T, s sidecar.State) {
	for round := range 5 {
		k := key(t, fmt.Sprint(round))
		winner := contend(t, sidecar.ErrExists, func(i int) error { return s.Create(t.Context(), k, fmt.Append(nil, "worker", i)) })
		require.Equal(t, fmt.Sprint("worker", winner), string(get(t, s, k).Value))
	}
}

func putContention(t *testing.T, s sidecar.State) {
	k := key(t, "k")
	for range 5 {
		etag := put(t, s, k, "start").ETag
		winner := contend(t, sidecar.ErrStale, func(i int) error { return s.Put(t.Context(), k, fmt.Append(nil, "worker", i), etag) })
		require.Equal(t, fmt.Sprint("worker", winner), string(get(t, s, k).Value))
	}
}

func putManyIf(t *testing.T, s sidecar.State) {
	ctx := t.Context()
	a, b := put(t, s, key(t, "a"), "1"), put(t, s, key(t, "b"), "1")
	a.Value, b.Value = []byte("2"), []byte("2")
	fresh := sidecar.Item{Key: key(t, "c"), Value: []byte("2")}
	require.NoError(t, s.PutManyIf(ctx, []sidecar.Item{a, b, fresh}))
	for _, name := range []string{"a", "b", "c"} {
		require.Equal(t, "2", string(get(t, s, key(t, name)).Value))
	}
	now := get(t, s, key(t, "b"))
	now.Value = []byte("3")
	assert.Error(t, s.PutManyIf(ctx, []sidecar.Item{a, now}), "a is stale")
	assert.Equal(t, "2", string(get(t, s, key(t, "a")).Value), "what has changed stays")
	assert.Error(t, s.PutManyIf(ctx, []sidecar.Item{fresh}), "c exists")
	assert.Equal(t, "2", string(get(t, s, key(t, "c")).Value))
}

func lifetime(t *testing.T, s sidecar.State) {
	ctx, short, long := t.Context(), key(t, "short"), key(t, "long")
	require.NoError(t, s.Create(ctx, short, []byte("1"), sidecar.TTL(900*time.Millisecond)))
	require.NoError(t, s.Put(ctx, long, []byte("1"), "", sidecar.TTL(time.Hour)))
	many := []string{key(t, "many"), key(t, "many-if")}
	for i, write := range []func(context.Context, []sidecar.Item) error{s.PutMany, s.PutManyIf} {
		lasting := sidecar.Item{Key: many[i] + "-long", Value: []byte("1"), TTL: time.Hour}
		require.NoError(t, write(ctx, []sidecar.Item{{Key: many[i], Value: []byte("1"), TTL: time.Second}, lasting}))
	}
	require.True(t, get(t, s, short).Found())
	require.Eventually(t, func() bool {
		return !get(t, s, short).Found() && !get(t, s, many[0]).Found() && !get(t, s, many[1]).Found()
	}, 10*time.Second, 50*time.Millisecond)
	require.True(t, get(t, s, many[0]+"-long").Found() && get(t, s, many[1]+"-long").Found())
	items, err := s.GetMany(ctx, []string{short, long})
	require.NoError(t, err)
	require.Len(t, items, 1)
	require.NoError(t, s.Create(ctx, short, []byte("2")), "what has ended can be made anew")
	require.Equal(t, "2", string(get(t, s, short).Value))
	put(t, s, long, "2") // without a lifetime now
}

func endedContext(t *testing.T, s sidecar.State) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k := key(t, "k")
	_, err := s.Get(ctx, k)
	require.Error(t, err)
	_, err = s.GetMany(ctx, []string{k, k + "2"})
	require.Error(t, err)
	for _, err := range []error{s.Create(ctx, k, nil), s.Put(ctx, k, nil, ""), s.PutMany(ctx, []sidecar.Item{{Key: k}}), s.Delete(ctx, k, "")} {
		require.Error(t, err)
		require.False(t, errors.Is(err, sidecar.ErrExists) || errors.Is(err, sidecar.ErrStale))
	}
}
