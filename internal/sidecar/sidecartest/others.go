package sidecartest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

// SecretName and SecretValue are the one secret of the store that TestSecrets is given.
const (
	SecretName  = "HABERDASH_TEST_SECRET"
	SecretValue = "s3cret = \"value\" ü"
)

// TestSecrets checks sidecar.Secrets.
func TestSecrets(t *testing.T, open func(t *testing.T) sidecar.Secrets) {
	s := open(t)
	value, err := s.Secret(t.Context(), SecretName)
	require.NoError(t, err)
	require.Equal(t, SecretValue, value)
	value, err = s.Secret(t.Context(), "HABERDASH_TEST_MISSING")
	require.ErrorContains(t, err, "HABERDASH_TEST_MISSING")
	require.Empty(t, value)
}

// TestBinder checks sidecar.Binder with the mail binding. open also gives a way to read what was written
// to a file of it.
func TestBinder(t *testing.T, open func(t *testing.T) (binder sidecar.Binder, read func(file string) []byte)) {
	b, read := open(t)
	data := []byte("Subject: =?utf-8?q?=C3=BC?=\r\n\r\n\x00\xff line\r\n")
	require.NoError(t, b.Bind(t.Context(), "mail", "create", data, map[string]string{"fileName": "a.eml"}))
	require.NoError(t, b.Bind(t.Context(), "mail", "create", []byte("b"), map[string]string{"fileName": "b.eml"}))
	require.Equal(t, data, read("a.eml"))
	require.Equal(t, "b", string(read("b.eml")))
}
