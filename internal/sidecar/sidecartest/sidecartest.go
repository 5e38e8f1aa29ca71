// Package sidecartest contains the conformance suites of the ports of internal/sidecar, which every adapter must
// pass: the doubles in memory, and the Dapr adapters through a real sidecar with each store and each broker. The test
// of an adapter is little more than its constructor.
//
// The suites of the larger ports are packages of their own: statetest, messagetest, invoketest and workflowtest. This
// package contains those of secrets and bindings.
package sidecartest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

// SecretName and SecretValue are the only secret of the store that TestSecrets checks.
const (
	SecretName  = "HABERDASH_TEST_SECRET"
	SecretValue = "s3cret = \"value\" ü"
)

// TestSecrets checks sidecar.Secrets. open returns a store that contains SecretName.
func TestSecrets(t *testing.T, open func(t *testing.T) sidecar.Secrets) {
	s := open(t)
	value, err := s.Secret(t.Context(), SecretName)
	require.NoError(t, err)
	require.Equal(t, SecretValue, value)
	value, err = s.Secret(t.Context(), "HABERDASH_TEST_MISSING")
	require.ErrorContains(t, err, "HABERDASH_TEST_MISSING")
	require.Empty(t, value)
}

// TestBinder checks sidecar.Binder with the mail binding. open also returns a function that reads a file which the
// binding has written.
func TestBinder(t *testing.T, open func(t *testing.T) (binder sidecar.Binder, read func(file string) []byte)) {
	b, read := open(t)
	data := []byte("Subject: =?utf-8?q?=C3=BC?=\r\n\r\n\x00\xff line\r\n")
	require.NoError(t, b.Bind(t.Context(), "mail", "create", data, map[string]string{"fileName": "a.eml"}))
	require.NoError(t, b.Bind(t.Context(), "mail", "create", []byte("b"), map[string]string{"fileName": "b.eml"}))
	require.Equal(t, data, read("a.eml"))
	require.Equal(t, "b", string(read("b.eml")))
}
