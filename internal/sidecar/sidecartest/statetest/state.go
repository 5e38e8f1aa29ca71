// Package statetest is the conformance suite of sidecar.State.
package statetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// TestState checks sidecar.State. open returns a store that only this test uses; it may contain other keys.
func TestState(t *testing.T, open func(t *testing.T) sidecar.State) {
	store := open(t)
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s sidecar.State)
	}{
		{"a missing key is no error", missingKey},
		{"a read returns what a write stored", putAndGet},
		{"values are copied", copies},
		{"similar keys are different keys", keys},
		{"values of every kind and size", values},
		{"many items in one call", manyItems},
		{"many megabytes in one call", manyMegabytes},
		{"put if unchanged", putIf},
		{"delete if unchanged, and always", remove},
		{"create if absent", create},
		{"of twenty concurrent creates one succeeds", createContention},
		{"of twenty concurrent writes of one version one succeeds", putContention},
		{"put many if unchanged", putManyIf},
		{"a TTL expires", expiry},
		{"an ended context is an error of its kind", endedContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, store) })
	}
}

// key returns a key that only this test uses, so that the tests can share a store.
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
	require.Equal(t, third, get(t, s, key(t, "k")), "a read does not")
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

func remove(t *testing.T, s sidecar.State) {
	k, ctx := key(t, "k"), t.Context()
	old := put(t, s, k, "1")
	now := put(t, s, k, "2")
	require.ErrorIs(t, s.Delete(ctx, k, old.ETag), sidecar.ErrStale)
	require.True(t, get(t, s, k).Found())
	require.NoError(t, s.Delete(ctx, k, now.ETag))
	require.False(t, get(t, s, k).Found())
	require.NoError(t, s.Delete(ctx, k, now.ETag), "it is deleted already")
	require.NoError(t, s.Delete(ctx, k, ""))
	put(t, s, k, "3")
	require.NoError(t, s.Delete(ctx, k, ""))
	require.False(t, get(t, s, k).Found())
}

func expiry(t *testing.T, s sidecar.State) {
	ctx, short, long := t.Context(), key(t, "short"), key(t, "long")
	require.NoError(t, s.Create(ctx, short, []byte("1"), sidecar.TTL(1900*time.Millisecond)))
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
	// A store that removes expired keys now and then may need some seconds until a key can be created again.
	require.Eventually(t, func() bool {
		err := s.Create(ctx, short, []byte("2"))
		if err != nil {
			require.True(t, fault.Is(err, "unavailable"), "%v", err)
		}
		return err == nil
	}, 10*time.Second, 50*time.Millisecond, "an expired key can be created again")
	require.Equal(t, "2", string(get(t, s, short).Value))
	put(t, s, long, "2") // without a TTL now
}
