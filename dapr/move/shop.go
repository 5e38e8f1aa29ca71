package move

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

// Shop is a running shop, as who moves it sees it.
type Shop struct {
	Gateway string                  // the public address, without a slash at the end
	Sidecar func(app string) string // the HTTP address of an app's own sidecar: inside the mesh, where the gateway lets nobody in
	// SignIn gets an administrator's access token, for read-only mode.
	SignIn func(ctx context.Context) (string, error)
}

// Mode tells whether the shop is read-only.
func (s Shop) Mode(ctx context.Context) (readOnly bool, err error) {
	return s.mode(ctx, http.MethodGet, nil)
}

// SetReadOnly turns read-only mode on or off. On, it returns when what was under way is answered.
func (s Shop) SetReadOnly(ctx context.Context, on bool) error {
	body, err := json.Marshal(map[string]bool{"readOnly": on})
	if err == nil {
		_, err = s.mode(ctx, http.MethodPut, bytes.NewReader(body))
	}
	return err
}

func (s Shop) mode(ctx context.Context, method string, body io.Reader) (bool, error) {
	token, err := s.SignIn(ctx)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, method, s.Gateway+"/api/v1/read-only", body)
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

// call has an app answer an operation inside the mesh.
func (s Shop) call(ctx context.Context, app, method, path string, reply any) error {
	req, err := s.request(ctx, app, method, path, nil)
	if err == nil {
		err = exchange(req, reply)
	}
	if err != nil {
		return fmt.Errorf("%s%s: %w", app, path, err)
	}
	return nil
}

func (s Shop) request(ctx context.Context, app, method, path string, body io.Reader) (*http.Request, error) {
	return http.NewRequestWithContext(ctx, method, s.Sidecar(app)+"/v1.0/invoke/"+app+"/method"+path, body)
}

// exchange decodes the answer into reply.
func exchange(req *http.Request, reply any) error {
	res, err := send(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(reply)
}

// send gives a good answer, whose body is to be closed. Another one is an error that says what the problem does.
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

// consumers are the apps that read other apps' logs, logs those that have some.
var (
	consumers = []string{"notifications", "cart", "catalog"}
	logs      = []string{"orders", "catalog", "users"}
)

// Figures are what a shop is compared by with the one that it was made from.
type Figures struct {
	Audits  map[string][]contract.Audit  `json:"audits"`  // by app: of each log and projection, with a digest of all documents
	Cursors map[string][]contract.Cursor `json:"cursors"` // by app: how far it is in others' logs
}

// Figures reads whole logs. Where a document is not what its log makes, it fails: such a shop is not moved, it is
// mended first.
func (s Shop) Figures(ctx context.Context) (Figures, error) {
	f := Figures{Audits: map[string][]contract.Audit{}, Cursors: map[string][]contract.Cursor{}}
	for _, app := range consumers {
		var err error
		if f.Cursors[app], err = s.cursors(ctx, app); err != nil {
			return f, err
		}
	}
	for _, app := range logs {
		var found contract.Audits
		if err := s.call(ctx, app, http.MethodPost, "/internal/audit", &found); err != nil {
			return f, err
		}
		for _, a := range found.Audits {
			if a.Wrong > 0 {
				return f, fmt.Errorf("%d documents of %s differ from what the log %s makes, such as %s: see make audit", a.Wrong, app, a.Log, a.Differences[0].Key)
			}
		}
		f.Audits[app] = found.Audits
	}
	return f, nil
}

// cursors tell how far an app is in others' logs.
func (s Shop) cursors(ctx context.Context, app string) ([]contract.Cursor, error) {
	var found contract.Cursors
	err := s.call(ctx, app, http.MethodGet, "/internal/consumers", &found)
	for i := range found.Cursors {
		found.Cursors[i].Head = 0 // as of when it looked last
	}
	return found.Cursors, err
}

// head tells how many events a log has published.
func (s Shop) head(ctx context.Context, source, partition string) (uint64, error) {
	var page contract.FeedPage
	const beyond = "?from=9007199254740991&max=1"
	err := s.call(ctx, source, http.MethodGet, "/feed/"+url.PathEscape(partition)+beyond, &page)
	return page.Head, err
}

// Differences says what of f is not as in want; nothing where the shops are equal.
func (f Figures) Differences(want Figures) (list []string) {
	for _, app := range logs {
		list = append(list, differ(app+": audit", f.Audits[app], want.Audits[app])...)
	}
	for _, app := range consumers {
		list = append(list, differ(app+": cursor", f.Cursors[app], want.Cursors[app])...)
	}
	return list
}

// differ compares two lists by the JSON of their members.
func differ[T any](what string, got, want []T) (list []string) {
	for i := range max(len(got), len(want)) {
		g, w := at(got, i), at(want, i)
		if g != w {
			list = append(list, fmt.Sprintf("%s is %s, and was %s", what, g, w))
		}
	}
	return list
}

func at[T any](list []T, i int) string {
	if i >= len(list) {
		return "missing"
	}
	b, err := json.Marshal(list[i])
	if err != nil {
		return err.Error()
	}
	return string(b)
}
