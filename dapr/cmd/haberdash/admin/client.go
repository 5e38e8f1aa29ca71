// Package admin has the commands that administer a running shop: through its public API, as the local administrator, or
// through the sidecar of an app, for operations that the gateway does not allow.
package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"haberdash/dapr/cmd/haberdash/lifecycle"
	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/runfile"
	"haberdash/internal/roster"
)

// installation is a running shop.
type installation struct {
	dir   string
	state rundir.State
}

// running returns the shop, which must be ready.
func running(o config.Options) (installation, error) {
	dir, err := lifecycle.RunDir(o)
	if err != nil {
		return installation{}, err
	}
	st, err := rundir.ReadState(dir)
	if err == nil && st.Status != rundir.Ready {
		err = errors.New("the shop is not running: make up")
	}
	return installation{dir, st}, err
}

func (i installation) gateway() string {
	return fmt.Sprintf("http://127.0.0.1:%d", i.state.GatewayPort)
}

// sidecar is the HTTP address of an app's sidecar.
func (i installation) sidecar(app string) string {
	for _, p := range i.state.Processes {
		if p.Name == app+"-daprd" {
			return fmt.Sprintf("http://127.0.0.1:%d", p.Ports["http"])
		}
	}
	return "http://127.0.0.1:0"
}

// internal calls an operation of an app without a body, through its sidecar.
func (i installation) internal(ctx context.Context, app, path string, reply any) error {
	url := i.sidecar(app) + "/v1.0/invoke/" + app + "/method/internal/" + path
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("dapr-api-token", i.token(app))
	return exchange(req, reply)
}

// token is the token that an app's sidecar demands; empty if it cannot be read.
func (i installation) token(app string) string {
	file, err := runfile.Read(runfile.Rendered(i.dir))
	if err != nil {
		return ""
	}
	return file.SidecarToken(app)
}

// signIn returns an access token of the local administrator.
func (i installation) signIn(ctx context.Context) (string, error) {
	email, password := launch.Administrator(i.dir)
	body, err := json.Marshal(map[string]string{"email": email, "password": password})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.gateway()+"/api/v1/auth/login", bytes.NewReader(body))
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

// client calls the public API as the local administrator.
type client struct {
	base, token string
	joined      []roster.Joined
}

func newClient(ctx context.Context, o config.Options) (*client, error) {
	i, err := running(o)
	if err != nil {
		return nil, err
	}
	token, err := i.signIn(ctx)
	return &client{i.gateway(), token, i.state.Joined}, err
}

// do calls an operation without a body.
func (c *client) do(ctx context.Context, method, path string, reply any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, nil)
	if err != nil {
		return err
	}
	return c.exchange(req, reply)
}

// exchange sends a request with the access token.
func (c *client) exchange(req *http.Request, reply any) error {
	req.Header.Set("Authorization", "Bearer "+c.token)
	return exchange(req, reply)
}

// refusal is an answer of the shop that is no success.
type refusal struct {
	status int
	text   string
}

// Error implements error.
func (r *refusal) Error() string { return r.text }

// exchange sends a request and decodes the answer into reply, if that is not nil.
func exchange(req *http.Request, reply any) error {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		var problem struct {
			Detail, Reason string
			Errors         []struct{ Location, Message string }
		}
		_ = json.NewDecoder(res.Body).Decode(&problem) // the status says enough without it
		if problem.Reason != "" {
			problem.Detail += " " + problem.Reason
		}
		for _, e := range problem.Errors {
			problem.Detail += fmt.Sprintf(" %s: %s.", e.Location, e.Message)
		}
		return &refusal{res.StatusCode, fmt.Sprintf("the shop answered %s: %s", res.Status, problem.Detail)}
	}
	if reply == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(reply)
}
