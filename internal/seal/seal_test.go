package seal_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/seal"
)

// A sealed value opens only with its key, under its name and unaltered.
func TestOnlyTheKeyOpens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plain, name := rapid.SliceOf(rapid.Byte()).Draw(t, "plain"), rapid.String().Draw(t, "name")
		key := rapid.SliceOfN(rapid.Byte(), seal.KeySize, seal.KeySize).Draw(t, "key")
		box, err := seal.New(key)
		require.NoError(t, err)
		sealed := box.Seal(plain, name)
		same, err := seal.New(key)
		require.NoError(t, err)
		opened, err := same.Open(sealed, name)
		require.NoError(t, err)
		require.Equal(t, string(plain), string(opened))
		require.NotEqual(t, sealed, box.Seal(plain, name), "equal values have different ciphertexts")

		other, err := seal.New(seal.NewKey())
		require.NoError(t, err)
		altered := append([]byte(nil), sealed...)
		altered[rapid.IntRange(0, len(sealed)-1).Draw(t, "byte")] ^= byte(1) << rapid.IntRange(0, 7).Draw(t, "bit")
		for _, open := range []func() ([]byte, error){
			func() ([]byte, error) { return other.Open(sealed, name) },
			func() ([]byte, error) { return seal.Box{}.Open(sealed, name) },
			func() ([]byte, error) { return box.Open(sealed, name+"x") },
			func() ([]byte, error) { return box.Open(altered, name) },
			func() ([]byte, error) { return box.Open(sealed[:len(sealed)-1], name) },
			func() ([]byte, error) { return box.Open(nil, name) },
		} {
			_, err := open()
			require.ErrorIs(t, err, seal.ErrClosed)
		}
	})
}

func TestPurposesHaveIndependentKeys(t *testing.T) {
	t.Parallel()
	one, err := seal.FromSecret("secret", "one")
	require.NoError(t, err)
	two, err := seal.FromSecret("secret", "two")
	require.NoError(t, err)
	_, err = two.Open(one.Seal([]byte("x"), "n"), "n")
	require.ErrorIs(t, err, seal.ErrClosed)
	_, err = seal.FromSecret("", "one")
	require.Error(t, err)
	_, err = seal.New([]byte("short"))
	require.Error(t, err)
}
