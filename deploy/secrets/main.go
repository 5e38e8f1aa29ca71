// Command secrets makes Kubernetes Secrets in its pod's namespace, those that are not there yet: the ones that a shop
// needs and nobody has to know. It never reads or changes one.
//
//	secrets keys:ID_KEY redis:REDIS_PASSWORD redis:REDIS_HOST=redis:6379
//
// Each argument is secret:KEY, for a random value, or secret:KEY=value.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// account is where Kubernetes puts what a pod needs to talk to the API server.
const account = "/var/run/secrets/kubernetes.io/serviceaccount"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "secrets:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	list, err := parse(args)
	if err != nil {
		return err
	}
	c, err := inCluster()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, s := range list {
		made, err := c.create(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Metadata.Name, err)
		}
		fmt.Printf("secret %s: %s\n", s.Metadata.Name, map[bool]string{true: "made", false: "is there, and stays as it is"}[made])
	}
	return nil
}

// A secret is the part of a Kubernetes Secret that this command writes.
type secret struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metadata          `json:"metadata"`
	StringData map[string]string `json:"stringData"`
}

type metadata struct {
	Name string `json:"name"`
}

// parse gives the secrets that the arguments name, in their order.
func parse(args []string) (list []secret, err error) {
	if len(args) == 0 {
		return nil, errors.New("nothing to make: give secret:KEY or secret:KEY=value")
	}
	at := map[string]int{}
	for _, a := range args {
		name, rest, ok := strings.Cut(a, ":")
		key, value, given := strings.Cut(rest, "=")
		if !ok || name == "" || key == "" {
			return nil, fmt.Errorf("%q is not secret:KEY or secret:KEY=value", a)
		}
		if !given {
			value = random()
		}
		i, known := at[name]
		if !known {
			i = len(list)
			at[name] = i
			list = append(list, secret{"v1", "Secret", metadata{name}, map[string]string{}})
		}
		if _, twice := list[i].StringData[key]; twice {
			return nil, fmt.Errorf("%s:%s is there twice", name, key)
		}
		list[i].StringData[key] = value
	}
	return list, nil
}

// random is 256 bits in hexadecimal: nothing in it means anything to a URL, a shell or a configuration file.
func random() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// A client makes secrets at secrets, the address of a namespace's.
type client struct {
	http    *http.Client
	secrets string
	token   string
}

// inCluster is the client of the pod that this runs in.
func inCluster() (*client, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("not in a Kubernetes pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
	}
	var text [3]string
	for i, name := range []string{"token", "namespace", "ca.crt"} {
		b, err := os.ReadFile(filepath.Join(account, name))
		if err != nil {
			return nil, fmt.Errorf("the pod's service account: %w", err)
		}
		text[i] = string(b)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM([]byte(text[2])) {
		return nil, errors.New("the pod's service account: no certificate in ca.crt")
	}
	return &client{
		http:    &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}}},
		secrets: fmt.Sprintf("https://%s/api/v1/namespaces/%s/secrets", net.JoinHostPort(host, port), text[1]),
		token:   text[0],
	}, nil
}

// create reports whether it made the secret: false if one of that name is there.
func (c *client) create(ctx context.Context, s secret) (bool, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.secrets, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(c.token))
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusCreated:
		return true, nil
	case http.StatusConflict:
		return false, nil
	}
	said, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	return false, fmt.Errorf("the API server answers %s: %s", res.Status, said)
}
