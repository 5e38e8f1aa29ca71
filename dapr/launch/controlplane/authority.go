package controlplane

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// The files of a certificate authority. Sentry reads those of its own names; the key of the root is ours.
const (
	AnchorsFile   = "ca.crt"
	rootKeyFile   = "ca.key"
	issuerFile    = "issuer.crt"
	issuerKeyFile = "issuer.key"
	configFile    = "sentry.yaml"
)

const (
	rootLife = 365 * 24 * time.Hour
	// shortIssuerLife is less than the month before whose end an alert fires.
	shortIssuerLife = 7 * 24 * time.Hour
)

// shortConfig makes Sentry sign certificates for two minutes, which a sidecar renews after 55 seconds: half of their
// time, which begins before they are signed, in case that clocks differ.
const shortConfig = `apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata:
  name: sentry
spec:
  mtls:
    enabled: true
    workloadCertTTL: 2m
    allowedClockSkew: 10s
`

// ShortAuthority writes a new certificate authority into a directory, to show what happens when certificates expire:
// Sentry's own is valid for a week instead of a year, and those of the sidecars for two minutes instead of a day. It
// returns the configuration with which Sentry must start.
func ShortAuthority(dir string) (config string, err error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	root := authority("haberdash", rootLife)
	if err := writeCertificate(filepath.Join(dir, AnchorsFile), root, root, public, key); err != nil {
		return "", err
	}
	if err := writeKey(filepath.Join(dir, rootKeyFile), key); err != nil {
		return "", err
	}
	config = filepath.Join(dir, configFile)
	if err := os.WriteFile(config, []byte(shortConfig), 0o600); err != nil {
		return "", err
	}
	return config, RenewIssuer(dir, shortIssuerLife)
}

// RenewIssuer replaces the certificate with which Sentry signs by one that is valid for a time. The same root signs it.
// A Sentry that runs reads it. The directory is one of ShortAuthority.
func RenewIssuer(dir string, life time.Duration) error {
	root, rootKey, err := readRoot(dir)
	if err != nil {
		return err
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	if err := writeKey(filepath.Join(dir, issuerKeyFile), key); err != nil {
		return err
	}
	issuer := authority("haberdash issuer", life)
	return writeCertificate(filepath.Join(dir, issuerFile), issuer, root, public, rootKey)
}

// authority is the template of a certificate that signs others.
func authority(name string, life time.Duration) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // never fails (crypto/rand, Go 1.24)
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(life),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		IsCA:     true, BasicConstraintsValid: true,
	}
}

func writeCertificate(path string, c, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) error {
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, key)
	if err != nil {
		return err
	}
	return writePEM(path, "CERTIFICATE", der)
}

func writeKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	if err := os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func readRoot(dir string) (*x509.Certificate, crypto.Signer, error) {
	certificate, err := readPEM(filepath.Join(dir, AnchorsFile))
	if err != nil {
		return nil, nil, err
	}
	root, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, nil, err
	}
	der, err := readPEM(filepath.Join(dir, rootKeyFile))
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, nil, errors.New(rootKeyFile + " cannot sign")
	}
	return root, signer, nil
}

func readPEM(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is not a PEM file", path)
	}
	return block.Bytes, nil
}
