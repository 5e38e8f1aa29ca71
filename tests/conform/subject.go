package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/appfile"
	"haberdash/dapr/launch/config"
	"haberdash/internal/contract"
	"haberdash/internal/roster"
	"haberdash/tests/api"
	described "haberdash/tests/contract"
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
	checker *described.Checker
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

// sku is what customers buy. There is enough of it for all checks.
const sku = "BASQUE-BERET-RED"

// connect prepares the clients, and finds out what the sidecar delivers to the app.
func (s *subject) connect(ctx context.Context, root string) (err error) {
	if s.checker, err = described.NewChecker(root); err != nil {
		return err
	}
	s.guest = api.New(s.shop.GatewayURL())
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

// stock adds to the stock of what customers buy.
func (s *subject) stock(ctx context.Context) error {
	a, err := s.admin.Do(ctx, api.Request{
		Method: http.MethodPost, Path: "/api/v1/stock/" + sku + "/adjustments",
		Header: map[string]string{"Idempotency-Key": api.NewKey()}, Body: `{"delta":10000,"reason":"conform"}`,
	})
	if err != nil {
		return err
	}
	return a.Decode(nil)
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

// topics returns the topics of the shop that the app follows.
func (s *subject) topics() (list []subscription) {
	for _, f := range s.follows {
		if slices.Contains(roster.Topics(), f.topic) && f.topic != s.deadTopic() {
			list = append(list, f)
		}
	}
	return list
}

// logs returns the logs whose events arrive in the topics that the app follows.
func (s *subject) logs(ctx context.Context) (list []roster.Log, err error) {
	for _, app := range roster.Apps() {
		for _, l := range app.Logs {
			if !s.follow(l.Topic) {
				continue
			}
			prefix, family := strings.CutSuffix(l.Name, "*")
			if !family {
				list = append(list, l)
				continue
			}
			a, err := invoke(ctx, s.sidecarOf(app.ID), app.ID, http.MethodGet, "/feed", nil)
			if err != nil {
				return nil, err
			}
			var feeds contract.Feeds
			if err := a.Decode(&feeds); err != nil {
				return nil, err
			}
			for _, name := range feeds.Names {
				if member, ok := strings.CutPrefix(name, prefix); ok {
					list = append(list, l.Member(member))
				}
			}
		}
	}
	return list, nil
}

// follow reports whether the app follows a topic.
func (s *subject) follow(topic string) bool {
	return slices.ContainsFunc(s.topics(), func(f subscription) bool { return f.topic == topic })
}

// feed returns the last events of a log, at most as many as one page has, and the position of the last.
func (s *subject) feed(ctx context.Context, l roster.Log) (page contract.FeedPage, err error) {
	read := func(from uint64) error {
		a, err := invoke(ctx, s.sidecarOf(l.App), l.App, http.MethodGet,
			"/feed/"+url.PathEscape(l.Name)+"?from="+strconv.FormatUint(from, 10)+"&max=1000", nil)
		if err != nil {
			return err
		}
		page = contract.FeedPage{}
		return a.Decode(&page)
	}
	if err := read(1); err != nil {
		return page, err
	}
	if page.Head > contract.MaxFeedPage {
		return page, read(page.Head - contract.MaxFeedPage + 1)
	}
	return page, nil
}

// positions returns the positions of the app.
func (s *subject) positions(ctx context.Context) (list []contract.Cursor, err error) {
	const path = "/internal/consumers"
	a, err := invoke(ctx, s.sidecar, s.id, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	if a.Status != http.StatusOK {
		return nil, fmt.Errorf("GET %s was answered with %d and not with the positions of the app in each log that it "+
			"follows: %.200s", path, a.Status, a.Body)
	}
	var got contract.Cursors
	if err := a.Decode(&got); err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	return got.Cursors, nil
}

func positionIn(list []contract.Cursor, l roster.Log) (contract.Cursor, bool) {
	i := slices.IndexFunc(list, func(c contract.Cursor) bool { return c.Source == l.App && c.Partition == l.Name })
	if i < 0 {
		return contract.Cursor{}, false
	}
	return list[i], true
}

// caughtUp waits until the app has handled each event of the logs that it follows, and returns its positions.
func (s *subject) caughtUp(ctx context.Context) (list []contract.Cursor, err error) {
	return list, s.eventually(ctx, func() error {
		logs, err := s.logs(ctx)
		if err != nil {
			return err
		}
		heads := map[roster.Log]uint64{} // read before the positions
		for _, l := range logs {
			page, err := s.feed(ctx, l)
			if err != nil {
				return err
			}
			heads[l] = page.Head
		}
		if list, err = s.positions(ctx); err != nil {
			return err
		}
		for _, l := range logs {
			if err := reached(list, l, heads[l]); err != nil {
				return err
			}
		}
		return nil
	})
}

// reached fails if an app with these positions has not handled all events of a log up to its last one.
func reached(list []contract.Cursor, l roster.Log, head uint64) error {
	switch c, found := positionIn(list, l); {
	case head == 0:
	case !found:
		return fmt.Errorf("GET /internal/consumers has no position in the log %s of %s, which the app follows",
			l.Name, l.App)
	case c.Position < head:
		return fmt.Errorf("the app is at position %d of the log %s of %s, whose last event has position %d",
			c.Position, l.Name, l.App, head)
	case c.Applied+c.Parked != c.Position:
		return fmt.Errorf("in the log %s of %s the app has applied %d events and made %d dead letters, which is not "+
			"its position %d", l.Name, l.App, c.Applied, c.Parked, c.Position)
	}
	return nil
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

// purchase is a customer with an order that is confirmed.
type purchase struct {
	customer *api.Client
	user     api.User
	password string
	order    api.Order
}

// buy causes events in the logs orders, users and stock: a customer registers and buys something.
func (s *subject) buy(ctx context.Context) (p purchase, err error) {
	p.password = api.NewKey()
	email := api.NewEmail()
	if _, err := s.guest.Register(ctx, email, p.password, "Ada Byron"); err != nil {
		return p, err
	}
	session, err := s.guest.Login(ctx, email, p.password)
	if err != nil {
		return p, err
	}
	p.customer, p.user = s.guest.As(session.AccessToken), session.User
	cart, err := p.customer.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
	if err != nil {
		return p, err
	}
	if p.order, err = p.customer.Checkout(ctx, cart, api.Visa, api.NewKey()); err != nil {
		return p, err
	}
	return p, s.eventually(ctx, func() error {
		if p.order, err = p.customer.Order(ctx, p.order.ID, ""); err != nil {
			return err
		}
		if p.order.Status != "confirmed" {
			return fmt.Errorf("the order is %s", p.order.Status)
		}
		return nil
	})
}

// deliver sends a CloudEvent to a path of the app as its sidecar would, in a bulk if the broker does so, too. It
// returns the status that the app gives the message.
func (s *subject) deliver(ctx context.Context, path string, event map[string]any) (status string, err error) {
	if !s.gate.takesBulk(path) {
		list, err := s.send(ctx, path, []message{{event: event}}, event)
		return list[0], err
	}
	list, err := s.deliverBulk(ctx, path, event)
	return list[0], err
}

// deliverBulk sends CloudEvents to a path of the app in one request. It returns the status of each.
func (s *subject) deliverBulk(ctx context.Context, path string, events ...map[string]any) ([]string, error) {
	var messages []message
	var entries []map[string]any
	for i, e := range events {
		id := strconv.Itoa(i)
		messages = append(messages, message{id, e})
		entries = append(entries, map[string]any{
			"entryId": id, "event": e, "contentType": "application/cloudevents+json", "metadata": map[string]string{},
		})
	}
	return s.send(ctx, path, messages, map[string]any{
		"id": api.NewKey(), "entries": entries, "pubsubname": "pubsub", "topic": events[0]["topic"],
		"type": "com.dapr.event.sent.bulk", "metadata": map[string]string{},
	})
}

func (s *subject) send(ctx context.Context, path string, messages []message, body any) ([]string, error) {
	none := make([]string, len(messages))
	a, err := invoke(ctx, s.sidecar, s.id, http.MethodPost, path, body)
	if err != nil {
		return none, fmt.Errorf("POST %s has no answer: %w", path, err)
	}
	if a.Status == http.StatusNotFound {
		return none, fmt.Errorf("POST %s was answered with 404, for which Dapr discards the message", path)
	}
	return statusesOf(messages, a.Status, a.Body), nil
}

// cloudEvent returns the message of an event, as the sidecar delivers it.
func cloudEvent(topic string, e contract.Event) map[string]any {
	event := map[string]any{
		"specversion": "1.0", "id": e.ID, "source": e.Source, "type": e.Type, "subject": e.Aggregate, "time": e.At,
		"datacontenttype": "application/json", "dataschema": contract.SchemaOf(e.Type, e.Version),
		"dataversion": strconv.Itoa(e.Version), "topic": topic, "pubsubname": "pubsub",
	}
	data, _ := json.Marshal(e) // its data is valid JSON
	event["data"] = json.RawMessage(data)
	return event
}

// letter is a dead letter in the list of an app.
type letter struct {
	ID, Event, Type, Source, Reason string
	At                              time.Time
	Tries                           int
}

// deadLetters returns the dead letters of the app, as the gateway shows them to administrators.
func (s *subject) deadLetters(ctx context.Context) (letters []letter, err error) {
	const limit = 100
	cursor := ""
	for {
		a, err := s.admin.Do(ctx, api.Request{
			Method: http.MethodGet,
			Path:   s.letterPath("") + "?limit=" + strconv.Itoa(limit) + "&cursor=" + url.QueryEscape(cursor),
		})
		if err != nil {
			return nil, err
		}
		var page api.List[letter]
		if err := a.Decode(&page); err != nil {
			return nil, fmt.Errorf("GET %s: %w", s.letterPath(""), err)
		}
		letters = append(letters, page.Items...)
		if page.NextCursor == nil || len(page.Items) == 0 {
			return letters, nil
		}
		cursor = *page.NextCursor
	}
}

// letterPath is the public address of a dead letter, or of the list.
func (s *subject) letterPath(id string) string {
	path := "/api/v1/dead-letters/" + s.id
	if id != "" {
		path += "/" + url.PathEscape(id)
	}
	return path
}

// export returns what the app exports, a document a line.
func (s *subject) export(ctx context.Context) (lines []string, err error) {
	a, err := invoke(ctx, s.sidecar, s.id, http.MethodGet, "/internal/export", nil)
	if err != nil {
		return nil, err
	}
	if a.Status != http.StatusOK {
		return nil, fmt.Errorf("GET /internal/export was answered with %d: %.200s", a.Status, a.Body)
	}
	for line := range strings.Lines(string(a.Body)) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		var document map[string]any
		if err := json.Unmarshal([]byte(line), &document); err != nil {
			return nil, fmt.Errorf("a line of GET /internal/export is not a JSON document: %.100s", line)
		}
		lines = append(lines, line)
	}
	return lines, nil
}
