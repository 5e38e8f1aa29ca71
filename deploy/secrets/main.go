// Command secrets creates the Kubernetes Secrets that the apps need and no person has to know, in the namespace of its
// pod. It skips Secrets that exist: it never reads or changes one.
//
//	secrets keys:ID_KEY redis:REDIS_PASSWORD redis:REDIS_HOST=redis:6379
//
// Each argument is secret:KEY, which gets a random value, or secret:KEY=value.
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

// account is the folder with the credentials of the pod's service account.
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
		created, err := c.create(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Metadata.Name, err)
		}
		result := "exists already, not changed"
		if created {
			result = "created"
		}
		fmt.Printf("secret %s: %s\n", s.Metadata.Name, result)
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

// parse returns the secrets that the arguments describe, in the order of the arguments.
func parse(args []string) (list []secret, err error) {
	if len(args) == 0 {
		return nil, errors.New("nothing to create: pass secret:KEY or secret:KEY=value")
	}
	position := map[string]int{} // in list, by name
	for _, a := range args {
		name, rest, ok := strings.Cut(a, ":")
		key, value, given := strings.Cut(rest, "=")
		if !ok || name == "" || key == "" {
			return nil, fmt.Errorf("%q is not secret:KEY or secret:KEY=value", a)
		}
		if !given {
			value = random()
		}
		i, known := position[name]
		if !known {
			i = len(list)
			position[name] = i
			list = append(list, secret{"v1", "Secret", metadata{name}, map[string]string{}})
		}
		if _, twice := list[i].StringData[key]; twice {
			return nil, fmt.Errorf("%s:%s is given twice", name, key)
		}
		list[i].StringData[key] = value
	}
	return list, nil
}

// random returns 256 random bits in hexadecimal, which need no quoting in a URL, a shell or a configuration file.
func random() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// A client creates secrets in one namespace.
type client struct {
	http    *http.Client
	secrets string // address of the namespace's secrets at the API server
	token   string
}

// inCluster returns a client that uses the service account of the pod.
func inCluster() (*client, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New(
			"not in a Kubernetes pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
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
	config := &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}
	return &client{
		http:    &http.Client{Transport: &http.Transport{TLSClientConfig: config}},
		secrets: fmt.Sprintf("https://%s/api/v1/namespaces/%s/secrets", net.JoinHostPort(host, port), text[1]),
		token:   text[0],
	}, nil
}

// create creates a secret. It returns false if a secret with that name exists.
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
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	return false, fmt.Errorf("the API server answers %s: %s", res.Status, answer)
}
