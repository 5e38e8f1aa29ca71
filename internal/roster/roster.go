// Package roster is the list of the apps of Haberdash: the logs that each app keeps and follows, the addresses that it
// serves to the public, and the Dapr components that it uses. Code reads this list. `make roster` writes the YAML files
// that repeat it (scopes, subscriptions, topics, tye.yaml), and a test compares them with it.
//
// docs/adding-a-service.md describes what else a new app needs.
package roster

import (
	"slices"
	"strings"

	"haberdash/internal/contract"
)

// Names of the apps, which are their Dapr app ids.
const (
	Gateway       = "gateway"
	Catalog       = "catalog"
	Cart          = "cart"
	Orders        = "orders"
	Users         = "users"
	Notifications = "notifications"
	Watcher       = "watcher"
)

// Log is a log of events that an app keeps. The app publishes the events to Topic and serves them at /feed/{Name}.
type Log struct {
	App   string
	Name  string // ends in "*" for a family of logs, such as one for each stock location
	Topic string
}

// Member returns a log of a family: StockLogs.Member("main") is the log stock-main.
func (l Log) Member(name string) Log {
	l.Name = strings.TrimSuffix(l.Name, "*") + name
	return l
}

// The logs.
var (
	CatalogLog = Log{App: Catalog, Name: "catalog", Topic: contract.TopicCatalog}
	StockLogs  = Log{App: Catalog, Name: "stock-*", Topic: contract.TopicStock}
	OrdersLog  = Log{App: Orders, Name: "orders", Topic: contract.TopicOrders}
	UsersLog   = Log{App: Users, Name: "users", Topic: contract.TopicUsers}
)

// App is one app.
type App struct {
	ID   string
	Port int // on which the app listens by default
	// Public lists the address patterns that the gateway routes to the app, in the syntax of chi: a final "/*" matches
	// every path below. For an app without patterns the gateway routes at most its dead letters, and placing an
	// order does not need the app.
	Public []string
	// Logs lists the logs that the app keeps.
	Logs []Log
	// Follows lists the logs of other apps whose events the app handles.
	Follows []Log
	// Components lists the Dapr components that the app uses in addition to secrets, state and pubsub: see
	// UsesComponent.
	Components []string
	// ExportOrder is the place of the app in a data export, counted from 1. It is 0 for an app that has no data to
	// export.
	ExportOrder int
	// Optional is set for an app that only some shops run. The launcher starts it with WATCH=on; on Kubernetes it is a
	// component in deploy/components.
	Optional bool
	// Stateless is set for an app that stores nothing.
	Stateless bool
}

// apps has the order in which dapr/apps.yaml starts the apps and in which the description of the API lists them.
//
// A data export has another order. users is first: every installation has signing keys, so an import notices at once if
// its store is not empty. Then come the apps that only follow logs, before those logs: a cursor must not be ahead of
// its log. catalog is last: an order must not be ahead of its stock, but the stock may be ahead of an order, because
// the app orders can repeat a reservation.
var apps = []App{
	{ID: Gateway, Port: 8080},
	{
		ID: Catalog, Port: 23120, ExportOrder: 5,
		Public: []string{"/api/v1/products", "/api/v1/products/*", "/api/v1/categories", "/api/v1/categories/*",
			"/api/v1/stock", "/api/v1/stock/*", "/api/v1/media/*", "/media/*"},
		Logs:    []Log{CatalogLog, StockLogs},
		Follows: []Log{OrdersLog, UsersLog},
	},
	{
		ID: Cart, Port: 23130, ExportOrder: 3,
		Public:  []string{"/api/v1/carts", "/api/v1/carts/*"},
		Follows: []Log{OrdersLog, UsersLog},
	},
	{
		ID: Orders, Port: 23140, ExportOrder: 4,
		Public:     []string{"/api/v1/orders", "/api/v1/orders/*", "/api/v1/payments/*"},
		Logs:       []Log{OrdersLog},
		Follows:    []Log{UsersLog},
		Components: []string{"workflow"},
	},
	{
		ID: Users, Port: 23150, ExportOrder: 1,
		Public: []string{"/api/v1/auth/*", "/api/v1/me", "/api/v1/me/*", "/api/v1/users", "/api/v1/users/*",
			"/.well-known/jwks.json"},
		Logs: []Log{UsersLog},
	},
	{
		ID: Notifications, Port: 23160, ExportOrder: 2,
		Follows:    []Log{OrdersLog, UsersLog},
		Components: []string{"mail"},
	},
	{ID: Watcher, Port: 23180, Optional: true, Stateless: true},
}

// Apps returns all apps.
func Apps() []App { return slices.Clone(apps) }

// IDs returns the names of all apps.
func IDs() []string { return ids(func(App) bool { return true }) }

// Standard returns the apps that every shop runs.
func Standard() []App {
	return slices.DeleteFunc(Apps(), func(a App) bool { return a.Optional })
}

// StandardIDs returns the names of the apps that every shop runs.
func StandardIDs() []string { return ids(func(a App) bool { return !a.Optional }) }

// Find returns the app of that name, if there is one.
func Find(id string) (app App, found bool) {
	i := slices.IndexFunc(apps, func(a App) bool { return a.ID == id })
	if i < 0 {
		return App{}, false
	}
	return apps[i], true
}

// Get returns the app of that name. It panics if there is none.
func Get(id string) App {
	app, found := Find(id)
	if !found {
		panic("roster: there is no app " + id)
	}
	return app
}

// ids returns the names of the apps that fulfil a condition.
func ids(with func(App) bool) (list []string) {
	for _, a := range apps {
		if with(a) {
			list = append(list, a.ID)
		}
	}
	return list
}

// Serving returns the apps with a public API. An order can be placed only if all of them work.
func Serving() []string { return ids(func(a App) bool { return len(a.Public) > 0 }) }

// PublicPatterns returns the address patterns that the gateway routes to an app: those of its public API, of its dead
// letters and of its fault flags. The first app that has dead letters gets the pattern for any app: its document
// describes those of all apps, and it responds with 404 for apps without. The same holds for fault flags.
func PublicPatterns(id string) []string {
	patterns := slices.Clone(Get(id).Public)
	for _, operation := range []struct {
		path string
		apps []string
	}{{"/api/v1/dead-letters/", Following()}, {"/api/v1/faults/", WithFaults()}} {
		app := id
		if id == operation.apps[0] {
			app = "{app}"
		}
		if slices.Contains(operation.apps, id) {
			patterns = append(patterns, operation.path+app, operation.path+app+"/*")
		}
	}
	return patterns
}

// WithFaults returns the apps that have fault flags, which are in their stores.
func WithFaults() []string { return ids(func(a App) bool { return a.ID != Gateway && !a.Stateless }) }

// Following returns the apps that follow logs. Each of them has a dead-letter topic.
func Following() []string { return ids(App.follows) }

// Logging returns the apps that keep logs.
func Logging() []string { return ids(func(a App) bool { return len(a.Logs) > 0 }) }

// Exported returns the apps whose data an export contains, in the order of the export.
func Exported() []string {
	sorted := slices.Clone(apps)
	slices.SortFunc(sorted, func(a, b App) int { return a.ExportOrder - b.ExportOrder })
	var list []string
	for _, a := range sorted {
		if a.ExportOrder > 0 {
			list = append(list, a.ID)
		}
	}
	return list
}

// FollowersOf returns the apps that follow a log.
func FollowersOf(l Log) []string {
	return ids(func(a App) bool { return slices.Contains(a.Follows, l) })
}

func (a App) follows() bool { return len(a.Follows) > 0 }

// Topics returns the topics of the logs that the app follows.
func (a App) Topics() (topics []string) {
	for _, l := range a.Follows {
		topics = append(topics, l.Topic)
	}
	return topics
}

// Publishes returns the topics to which the app's sidecar publishes: those of its logs, and its dead-letter topic.
func (a App) Publishes() (topics []string) {
	for _, l := range a.Logs {
		topics = append(topics, l.Topic)
	}
	return append(topics, a.deadLetterTopics()...)
}

// Receives returns the topics that the app's sidecar subscribes to: those that it follows, and its dead-letter topic.
func (a App) Receives() []string { return append(a.Topics(), a.deadLetterTopics()...) }

func (a App) deadLetterTopics() []string {
	if a.follows() {
		return []string{DeadLetterTopic(a.ID)}
	}
	return nil
}

// DeadLetterTopic returns the topic of the messages that an app could not handle within the attempts of the broker.
// Each app has one for all topics, so that it does not receive messages that only another app could not handle.
func DeadLetterTopic(app string) string { return app + "-dead" }

// Topics returns all topics, including dead-letter topics. Some brokers require that topics are created in advance.
func Topics() []string { return TopicsOf(apps) }

// TopicsOf returns the topics to which some apps publish, those of dead letters last.
func TopicsOf(list []App) (topics []string) {
	var dead []string
	for _, a := range list {
		for _, l := range a.Logs {
			topics = append(topics, l.Topic)
		}
		dead = append(dead, a.deadLetterTopics()...)
	}
	return slices.Concat(topics, dead)
}

// UsesComponent reports whether the app may use a Dapr component. All apps use secrets. All but stateless ones use
// state, and with SQLite the components that erase deleted state. Apps that keep or follow logs use pubsub.
func (a App) UsesComponent(name string) bool {
	switch name {
	case "secrets":
		return true
	case "state", "erasure", "truncation":
		return !a.Stateless
	case "pubsub":
		return len(a.Logs) > 0 || a.follows()
	}
	return slices.Contains(a.Components, name)
}
