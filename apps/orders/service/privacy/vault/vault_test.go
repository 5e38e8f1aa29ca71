package vault_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/service/privacy/vault"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

func open(t *testing.T, state sidecar.State) *vault.Vault {
	t.Helper()
	v, err := vault.New(state, "secret", rand.Text, time.Now)
	require.NoError(t, err)
	return v
}

// readable reports whether a sealed value can be opened.
func readable(t *testing.T, v *vault.Vault, s order.Sealed, name string) bool {
	t.Helper()
	keys, err := v.Keys(t.Context(), s.Key)
	require.NoError(t, err)
	k, ok := keys[s.Key]
	if ok {
		plain, err := k.Open(s, name)
		require.NoError(t, err)
		require.Equal(t, "plain", string(plain))
	}
	return ok
}

func TestDestroyedKeyStaysDestroyed(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	v, other := open(t, state), open(t, state)
	k, err := v.ContactKey(t.Context(), "ada", nil)
	require.NoError(t, err)
	s := k.Seal([]byte("plain"), "x")
	assert.Equal(t, vault.ContactKeyName("ada"), s.Key)
	again, err := other.ContactKey(t.Context(), "ada", nil)
	require.NoError(t, err)
	_, err = again.Open(s, "x")
	require.NoError(t, err, "every replica has the same key")
	_, err = again.Open(s, "y")
	require.Error(t, err)
	bob, err := v.ContactKey(t.Context(), "bob", nil)
	require.NoError(t, err)
	_, err = bob.Open(s, "x")
	require.Error(t, err)
	require.True(t, readable(t, other, s, "x"))

	for range 2 {
		require.NoError(t, v.Destroy(t.Context(), s.Key))
		assert.False(t, readable(t, v, s, "x"))
	}
	require.Eventually(t, func() bool { return !readable(t, other, s, "x") }, 2*time.Second, 20*time.Millisecond,
		"another replica drops it from its cache")
	item, err := state.Get(t.Context(), "contact/ada")
	require.NoError(t, err)
	for _, read := range []map[string]sidecar.Item{nil, {item.Key: item}} {
		_, err = open(t, state).ContactKey(t.Context(), "ada", read)
		require.ErrorIs(t, err, vault.ErrDestroyed)
	}
	require.NoError(t, v.Destroy(t.Context(), vault.ContactKeyName("eve")),
		"a key that was never made cannot be made any more")
	_, err = v.ContactKey(t.Context(), "eve", nil)
	require.ErrorIs(t, err, vault.ErrDestroyed)
	assert.True(t, readable(t, v, bob.Seal([]byte("plain"), "x"), "x"))
	for _, name := range []string{"", "#0", "contact/x", "contact/x#", "contact/x#-1", "contact/x#64", "contact/x#y"} {
		require.Error(t, v.Destroy(t.Context(), name), name)
	}
}

// A key that is made while it is destroyed seals values that nobody can open.
func TestDestroyingWinsEveryRace(t *testing.T) {
	t.Parallel()
	for range 50 {
		state, release := memory.NewState(), make(chan struct{})
		var work sync.WaitGroup
		var mu sync.Mutex
		var made []order.Sealed
		for i := range 10 {
			v := open(t, state)
			work.Go(func() {
				<-release
				if i%5 == 0 {
					assert.NoError(t, v.Destroy(t.Context(), vault.ContactKeyName("ada")))
					return
				}
				k, err := v.ContactKey(t.Context(), "ada", nil)
				if !errors.Is(err, vault.ErrDestroyed) && assert.NoError(t, err) {
					mu.Lock()
					made = append(made, k.Seal([]byte("plain"), "x"))
					mu.Unlock()
				}
			})
		}
		close(release)
		work.Wait()
		v := open(t, state)
		for _, s := range made {
			require.False(t, readable(t, v, s, "x"))
		}
	}
}

func TestEachGuestHasAKeyAndABatchCostsOneWrite(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	v := open(t, state)
	var work sync.WaitGroup
	var mu sync.Mutex
	sealed := map[string]order.Sealed{}
	for range 130 {
		work.Go(func() {
			k, err := v.ContactKey(t.Context(), "", nil)
			if assert.NoError(t, err) {
				mu.Lock()
				defer mu.Unlock()
				s := k.Seal([]byte("plain"), "x")
				sealed[s.Key] = s
			}
		})
	}
	work.Wait()
	require.Len(t, sealed, 130)
	require.Len(t, state.All(), 3)
	v = open(t, state)
	for name, s := range sealed {
		require.True(t, readable(t, v, s, "x"))
		require.NoError(t, v.Destroy(t.Context(), name))
		require.False(t, readable(t, v, s, "x"))
		delete(sealed, name)
		for _, rest := range sealed {
			require.True(t, readable(t, v, rest, "x"))
		}
		if len(sealed) < 100 {
			break
		}
	}
}

// A reader of the store cannot use the keys in it, and a key cannot be used under another name.
func TestDocumentsAreSealed(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	v := open(t, state)
	ada, err := v.ContactKey(t.Context(), "ada", nil)
	require.NoError(t, err)
	other, err := vault.New(state, "another secret", rand.Text, time.Now)
	require.NoError(t, err)
	_, err = other.ContactKey(t.Context(), "ada", nil)
	require.ErrorContains(t, err, "another secret")
	_, err = other.Keys(t.Context(), vault.ContactKeyName("ada"))
	require.ErrorContains(t, err, "contact/ada#0")
	require.NoError(t, state.Put(t.Context(), "contact/eve", []byte(state.All()["contact/ada"]), ""))
	_, err = v.Keys(t.Context(), vault.ContactKeyName("eve"))
	require.ErrorContains(t, err, "altered")
	_, err = vault.New(state, "", rand.Text, time.Now)
	require.Error(t, err)

	year, err := v.InvoiceKey(t.Context(), 2026, nil)
	require.NoError(t, err)
	s := year.Seal([]byte("plain"), "x")
	require.Equal(t, vault.InvoiceKeyName(2026), s.Key)
	_, err = ada.Open(s, "x")
	require.Error(t, err)
	require.True(t, readable(t, open(t, state), s, "x"))
}

func TestExportHasEachStoredDocumentOnce(t *testing.T) {
	t.Parallel()
	state, there := memory.NewState(), memory.NewState()
	v := open(t, state)
	ada, err := v.ContactKey(t.Context(), "ada", nil)
	require.NoError(t, err)
	guest, err := v.ContactKey(t.Context(), "", nil)
	require.NoError(t, err)
	sealed := guest.Seal([]byte("plain"), "x")
	require.NoError(t, v.Destroy(t.Context(), vault.ContactKeyName("ada")))
	names := []string{vault.ContactKeyName("ada"), vault.ContactKeyName("nobody"), sealed.Key, sealed.Key}
	require.NoError(t, v.Export(t.Context(), names, func(item sidecar.Item) error {
		return there.Create(t.Context(), item.Key, item.Value)
	}))
	require.Equal(t, state.All(), there.All())
	imported := open(t, there)
	require.True(t, readable(t, imported, sealed, "x"))
	require.False(t, readable(t, imported, ada.Seal([]byte("plain"), "x"), "x"))
}

func TestKeysThatWereReadAMomentAgoAreUsedDuringAnOutage(t *testing.T) {
	t.Parallel()
	store, at := &switched{State: memory.NewState()}, time.Now()
	v, err := vault.New(store, "secret", rand.Text, func() time.Time { return at })
	require.NoError(t, err)
	ada, err := v.ContactKey(t.Context(), "ada", nil)
	require.NoError(t, err)
	s := ada.Seal([]byte("plain"), "x")
	_, err = open(t, store).ContactKey(t.Context(), "bob", nil)
	require.NoError(t, err)
	store.down = true
	at = at.Add(30 * time.Second)
	require.True(t, readable(t, v, s, "x"))
	_, err = v.Keys(t.Context(), s.Key, vault.ContactKeyName("bob"))
	require.ErrorIs(t, err, errDown)
	at = at.Add(40 * time.Second)
	_, err = v.Keys(t.Context(), s.Key)
	require.ErrorIs(t, err, errDown)
	store.down = false
	require.True(t, readable(t, v, s, "x"))
	require.NoError(t, open(t, store).Destroy(t.Context(), s.Key))
	at = at.Add(2 * time.Second)
	require.False(t, readable(t, v, s, "x"))
}

// switched is a store that can be made unavailable.
type switched struct {
	sidecar.State
	down bool
}

func (s *switched) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	if s.down {
		return nil, errDown
	}
	return s.State.GetMany(ctx, keys)
}

// down is a store that is unavailable.
type down struct{ *memory.State }

var errDown = errors.New("down")

func (down) Get(context.Context, string) (sidecar.Item, error) { return sidecar.Item{}, errDown }
func (down) GetMany(context.Context, []string) (map[string]sidecar.Item, error) {
	return nil, errDown
}
func (down) Create(context.Context, string, []byte, ...sidecar.PutOption) error { return errDown }

func TestUnavailableStoreIsNotADestroyedKey(t *testing.T) {
	t.Parallel()
	v := open(t, down{memory.NewState()})
	for _, customer := range []string{"ada", ""} {
		_, err := v.ContactKey(t.Context(), customer, nil)
		require.ErrorIs(t, err, errDown)
	}
	_, err := v.Keys(t.Context(), vault.ContactKeyName("ada"))
	require.ErrorIs(t, err, errDown)
	require.ErrorIs(t, v.Destroy(t.Context(), vault.ContactKeyName("ada")), errDown)
}
