package controlplane

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// issuer returns the certificate with which Sentry signs, as the root of the directory vouches for it.
func issuer(t *testing.T, dir string) *x509.Certificate {
	t.Helper()
	root, err := os.ReadFile(filepath.Join(dir, AnchorsFile))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(root))
	der, err := readPEM(filepath.Join(dir, issuerFile))
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	_, err = c.Verify(x509.VerifyOptions{Roots: pool})
	require.NoError(t, err)
	require.True(t, c.IsCA)
	return c
}

func TestTheIssuerOfAShortAuthorityIsRenewedUnderTheSameRoot(t *testing.T) {
	dir := t.TempDir()
	config, err := ShortAuthority(dir)
	require.NoError(t, err)
	require.FileExists(t, config)
	root, err := os.ReadFile(filepath.Join(dir, AnchorsFile))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(shortIssuerLife), issuer(t, dir).NotAfter, time.Minute)

	const year = 365 * 24 * time.Hour
	require.NoError(t, RenewIssuer(dir, year))
	require.WithinDuration(t, time.Now().Add(year), issuer(t, dir).NotAfter, time.Minute)
	same, err := os.ReadFile(filepath.Join(dir, AnchorsFile))
	require.NoError(t, err)
	require.Equal(t, root, same)

	for _, name := range []string{rootKeyFile, issuerKeyFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
	require.Error(t, RenewIssuer(t.TempDir(), year), "there is no root")
}
