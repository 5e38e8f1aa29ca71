package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"haberdash/dapr/launch"
)

// administrator is the running shop's public API, signed in as the local administrator.
type administrator struct {
	base, token string
}

func asAdministrator(ctx context.Context, o launch.Options) (*administrator, error) {
	st, err := running(o)
	if err != nil {
		return nil, err
	}
	dir, err := launch.RunDirOf(o)
	if err != nil {
		return nil, err
	}
	a := &administrator{base: fmt.Sprintf("http://127.0.0.1:%d", st.GatewayPort)}
	a.token, err = signIn(ctx, a.base, dir)
	return a, err
}

// running is the state of the shop, which must be up.
func running(o launch.Options) (launch.State, error) {
	dir, err := launch.RunDirOf(o)
	if err != nil {
		return launch.State{}, err
	}
	st, err := launch.ReadState(dir)
	if err == nil && st.Status != launch.Ready {
		err = errors.New("the shop is not running: make up")
	}
	return st, err
}

// do calls an operation without a body.
func (a *administrator) do(ctx context.Context, method, path string, reply any) error {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, nil)
	if err != nil {
		return err
	}
	return a.exchange(req, reply)
}

// exchange sends a request with the administrator's token.
func (a *administrator) exchange(req *http.Request, reply any) error {
	req.Header.Set("Authorization", "Bearer "+a.token)
	return exchange(req, reply)
}

// signIn gets the local administrator's access token.
func signIn(ctx context.Context, base, runDir string) (string, error) {
	email, password := launch.Administrator(runDir)
	body, err := json.Marshal(map[string]string{"email": email, "password": password})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v1/auth/login", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	var session struct{ AccessToken string }
	if err := exchange(req, &session); err != nil {
		return "", fmt.Errorf("sign in as %s: %w", email, err)
	}
	return session.AccessToken, nil
}

// exchange decodes the answer into reply, which is nil where there is nothing to decode.
func exchange(req *http.Request, reply any) error {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		var problem struct{ Detail, Reason string }
		json.NewDecoder(res.Body).Decode(&problem)
		if problem.Reason != "" {
			problem.Detail += " " + problem.Reason
		}
		return fmt.Errorf("the shop answered %s: %s", res.Status, problem.Detail)
	}
	if reply == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(reply)
}
