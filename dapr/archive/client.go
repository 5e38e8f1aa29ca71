package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"haberdash/internal/contract"
)

// Client calls a running shop.
type Client struct {
	Gateway string                  // the public address, without a slash at the end
	Sidecar func(app string) string // the HTTP address of an app's sidecar, for operations that the gateway does not allow
	Token   func(app string) string // the token that the sidecar demands

	// SignIn returns the access token of an administrator, for read-only mode.
	SignIn func(ctx context.Context) (string, error)
}

// ReadOnly reports whether the shop is read-only.
func (c Client) ReadOnly(ctx context.Context) (bool, error) {
	return c.readOnly(ctx, http.MethodGet, nil)
}

// SetReadOnly turns read-only mode on or off. When it returns after turning it on, all earlier requests are answered.
func (c Client) SetReadOnly(ctx context.Context, on bool) error {
	body, err := json.Marshal(map[string]bool{"readOnly": on})
	if err == nil {
		_, err = c.readOnly(ctx, http.MethodPut, bytes.NewReader(body))
	}
	return err
}

func (c Client) readOnly(ctx context.Context, method string, body io.Reader) (bool, error) {
	token, err := c.SignIn(ctx)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Gateway+"/api/v1/read-only", body)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	var mode struct{ ReadOnly bool }
	return mode.ReadOnly, exchange(req, &mode)
}

// cursors returns how far an app is in the logs of other apps.
func (c Client) cursors(ctx context.Context, app string) ([]contract.Cursor, error) {
	var found contract.Cursors
	err := c.call(ctx, app, http.MethodGet, "/internal/consumers", &found)
	for i := range found.Cursors {
		found.Cursors[i].Head = 0 // it may be old: the app has it from its last read of the log
	}
	return found.Cursors, err
}

// head returns the number of events that a log has published.
func (c Client) head(ctx context.Context, source, partition string) (uint64, error) {
	var page contract.FeedPage
	const beyond = "?from=9007199254740991&max=1"
	err := c.call(ctx, source, http.MethodGet, "/feed/"+url.PathEscape(partition)+beyond, &page)
	return page.Head, err
}

// call calls an internal operation of an app.
func (c Client) call(ctx context.Context, app, method, path string, reply any) error {
	req, err := c.request(ctx, app, method, path, nil)
	if err == nil {
		err = exchange(req, reply)
	}
	if err != nil {
		return fmt.Errorf("%s%s: %w", app, path, err)
	}
	return nil
}

func (c Client) request(ctx context.Context, app, method, path string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.Sidecar(app)+"/v1.0/invoke/"+app+"/method"+path, body)
	if err == nil {
		req.Header.Set("dapr-api-token", c.Token(app))
	}
	return req, err
}

// exchange sends a request and decodes the answer into reply.
func exchange(req *http.Request, reply any) error {
	res, err := send(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(reply)
}

// send returns a successful answer, whose body the caller closes. Any other answer is an error with the detail of the
// problem.
func send(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return nil, err
	}
	var problem struct{ Detail string }
	if json.Unmarshal(text, &problem) == nil && problem.Detail != "" {
		text = []byte(problem.Detail)
	}
	return nil, fmt.Errorf("the shop answered %s: %s", res.Status, text)
}
