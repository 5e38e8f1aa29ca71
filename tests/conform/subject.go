package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/appfile"
	"haberdash/dapr/launch/config"
	"haberdash/internal/roster"
	"haberdash/tests/api"
)

// partMails is what only the app notifications does.
const partMails = "mails"

// subject is the app that is tried, in a shop of its own.
type subject struct {
	id       string
	ready    string // paths of its two checks
	health   string
	parts    []string
	patience time.Duration // how long the app may take to keep a promise
	follows  []subscription

	shop    *launch.Shop
	gate    *gate
	guest   *api.Client
	admin   *api.Client
	sidecar *api.Client // of the app
	root    string      // of the checkout
}

// subscription is a topic that the sidecar of the app delivers.
type subscription struct {
	topic string
	paths []string
}

func (s *subject) keeps(part string) bool { return slices.Contains(s.parts, part) }

// deadTopic is the topic of the app for messages that it could not handle.
func (s *subject) deadTopic() string { return s.id + "-dead" }

// choose returns the options of a shop with the app, which is one of the shop or the path of a folder with an app.yaml.
func choose(app string) (o config.Options, s *subject, err error) {
	if o, err = config.FromEnv(); err != nil {
		return o, nil, err
	}
	o.FreePorts, o.GatewayPort, o.Secure = true, 0, true
	o.Env = map[string]string{"RATE_LIMIT": "off"}
	o.Joined, o.Replacements = nil, nil // APPS is for make up
	if slices.Contains(tried(), app) {
		return o, &subject{id: app, ready: "/readyz", health: "/healthz", parts: partsOf(app)}, nil
	}
	if !strings.ContainsRune(app, filepath.Separator) && !exists(filepath.Join(app, appfile.Name)) {
		return o, nil, fmt.Errorf("%q is neither an app of the shop (%s) nor a folder with an %s",
			app, strings.Join(tried(), ", "), appfile.Name)
	}
	file, err := appfile.Read(app)
	if err != nil {
		return o, nil, err
	}
	o.Add(file)
	s = &subject{id: file.ID, ready: file.Ready, health: file.Health, parts: file.Keeps}
	if file.Replaces != "" {
		s.parts = partsOf(file.Replaces)
	}
	return o, s, nil
}

// partsOf returns the parts of the contract that an app of the shop keeps, and an app that replaces it.
func partsOf(app string) []string {
	if app == roster.Notifications {
		return append(slices.Clone(appfile.Parts), partMails)
	}
	return appfile.Parts
}

// tried are the apps of the shop that can be tried: those that follow logs.
func tried() (ids []string) {
	for _, app := range roster.Apps() {
		if len(app.Follows) > 0 && !app.Optional {
			ids = append(ids, app.ID)
		}
	}
	return ids
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// start starts a shop in a directory with the app behind the gate.
func start(ctx context.Context, app, dir string, log io.Writer, fault func(http.Handler) http.Handler) (
	s *subject, stop func(), err error,
) {
	o, s, err := choose(app)
	if err != nil {
		return nil, nil, err
	}
	o.RunDir, o.Log = dir, log
	o, _, stopServers, err := o.WithServers(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.gate, s.patience = newGate(ctx), defaultPatience
	s.gate.Fault = fault
	o.Tap = s.gate.Tap(s.id)
	if s.shop, err = launch.Start(ctx, o); err != nil {
		s.gate.Close()
		stopServers()
		return nil, nil, err
	}
	stop = func() {
		s.gate.Close()
		_ = s.shop.Stop(context.WithoutCancel(ctx))
		stopServers()
	}
	if err := s.connect(ctx, o.Root); err != nil {
		stop()
		return nil, nil, err
	}
	return s, stop, nil
}

// connect prepares the clients, and finds out what the sidecar delivers to the app.
func (s *subject) connect(ctx context.Context, root string) (err error) {
	s.root, s.guest = root, api.New(s.shop.GatewayURL())
	if s.admin, err = s.guest.AsAdmin(ctx); err != nil {
		return err
	}
	if err := s.stock(ctx); err != nil {
		return err
	}
	s.sidecar = s.sidecarOf(s.id)
	a, err := s.sidecar.Do(ctx, api.Request{Method: http.MethodGet, Path: "/v1.0/metadata"})
	if err != nil {
		return err
	}
	var metadata struct {
		Subscriptions []struct {
			Topic string
			Rules []struct{ Path string }
		}
	}
	if err := a.Decode(&metadata); err != nil {
		return err
	}
	for _, m := range metadata.Subscriptions {
		found := subscription{topic: m.Topic}
		for _, rule := range m.Rules {
			if !slices.Contains(found.paths, rule.Path) {
				found.paths = append(found.paths, rule.Path)
			}
		}
		s.follows = append(s.follows, found)
	}
	return nil
}

// sidecarOf returns a client of the sidecar of an app. Its requests pass the gate.
func (s *subject) sidecarOf(app string) *api.Client {
	c := api.New(s.shop.SidecarHTTP(app))
	c.Header = map[string]string{"dapr-api-token": s.shop.SidecarToken(app), probeHeader: "1"}
	return c
}

// invoke calls an operation of an app through a sidecar.
func invoke(ctx context.Context, c *api.Client, app, method, path string, body any) (*api.Answer, error) {
	return c.Do(ctx, api.Request{Method: method, Path: "/v1.0/invoke/" + app + "/method" + path, Body: body})
}

// defaultPatience is how long a promise may take: an app that has missed events asks the feeds every few seconds.
const defaultPatience = time.Minute

// eventually calls a function until it succeeds, and returns its last error when the time is over.
func (s *subject) eventually(ctx context.Context, f func() error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	for {
		if err = f(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (after %s)", err, s.patience)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
