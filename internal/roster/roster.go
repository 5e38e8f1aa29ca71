// Package roster is the list of the apps that Haberdash consists of: their logs, what they follow, what they serve to
// the public, and which Dapr components they use. The code derives from it; `make roster` writes it into the YAML that
// repeats it (scopes, subscriptions, topics, tye.yaml), and tests compare that YAML with it.
//
// docs/adding-a-service.md says what else a new app needs.
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
)

// Log is a log of events that an app keeps. The app publishes the events to Topic and serves them at /feed/{Name}.
type Log struct {
	App   string
	Name  string // ends in "*" for a family of logs, such as one for each stock location
	Topic string
}

// Member is a log of a family.
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
	Port int // that the app listens on by default
	// Public lists the address patterns that the gateway routes to the app: chi's, where a final "/*" is all that lies
	// below. An app without them is not needed to place an order, and serves at most its dead letters.
	Public []string
	// Logs that the app keeps.
	Logs []Log
	// Follows lists the logs of other apps whose events the app handles.
	Follows []Log
	// Components are the Dapr components that the app uses, beside secrets, state and pubsub: see Components.
	Components []string
	// ExportOrder places the app in an export of the data, from 1; 0 for an app that stores nothing that an export must
	// contain.
	ExportOrder int
}

// apps are in the order in which dapr/apps.yaml starts them and the API description lists them.
//
// In an export, users come first: every installation has signing keys, so an import finds out at once whether a store is
// empty. Apps that only follow logs come next, and the logs they follow after them: a cursor must not be ahead of its
// log. catalog comes last, because its stock may know more of an order than the order itself.
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
}

// Apps lists all apps.
func Apps() []App { return slices.Clone(apps) }

// IDs lists the names of all apps.
func IDs() []string { return ids(func(App) bool { return true }) }

// Get finds an app. It panics for a name that is not in the roster.
func Get(id string) App {
	i := slices.IndexFunc(apps, func(a App) bool { return a.ID == id })
	if i < 0 {
		panic("roster: there is no app " + id)
	}
	return apps[i]
}

func ids(with func(App) bool) (list []string) {
	for _, a := range apps {
		if with(a) {
			list = append(list, a.ID)
		}
	}
	return list
}

// Serving lists the apps with a public API, without which no order can be placed.
func Serving() []string { return ids(func(a App) bool { return len(a.Public) > 0 }) }

// PublicPatterns lists the address patterns that the gateway routes to an app: those of its public API, and its dead
// letters. The first app that follows logs also describes the dead letters of all apps, and answers for apps without.
func PublicPatterns(id string) []string {
	app := Get(id)
	patterns := slices.Clone(app.Public)
	if !app.follows() {
		return patterns
	}
	if id == Following()[0] {
		patterns = append(patterns, "/api/v1/dead-letters/{app}", "/api/v1/dead-letters/{app}/*")
	} else {
		patterns = append(patterns, "/api/v1/dead-letters/"+id, "/api/v1/dead-letters/"+id+"/*")
	}
	return patterns
}

// Following lists the apps that follow logs. Each has a dead-letter topic.
func Following() []string { return ids(App.follows) }

// Logging lists the apps that keep logs.
func Logging() []string { return ids(func(a App) bool { return len(a.Logs) > 0 }) }

// Exported lists the apps in the order in which an export has their data.
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

// FollowersOf lists the apps that follow a log.
func FollowersOf(l Log) []string {
	return ids(func(a App) bool { return slices.Contains(a.Follows, l) })
}

func (a App) follows() bool { return len(a.Follows) > 0 }

// Topics lists the topics whose events reach the app, without its dead-letter topic.
func (a App) Topics() (topics []string) {
	for _, l := range a.Follows {
		topics = append(topics, l.Topic)
	}
	return topics
}

// DeadLetterTopic is the topic of an app's deliveries whose attempts are used up. Each app has its own, whatever topic
// an event comes from, so that no app sees what only another app could not handle.
func DeadLetterTopic(app string) string { return app + "-dead" }

// Topics lists all topics, dead-letter topics included: a broker needs them created before they are used.
func Topics() []string {
	var topics []string
	for _, a := range apps {
		for _, l := range a.Logs {
			topics = append(topics, l.Topic)
		}
	}
	for _, app := range Following() {
		topics = append(topics, DeadLetterTopic(app))
	}
	return topics
}

// UsesComponent tells whether the app may use a Dapr component. Every app has secrets and state, and an app that
// publishes or follows events has pubsub.
func (a App) UsesComponent(name string) bool {
	switch name {
	case "secrets", "state":
		return true
	case "pubsub":
		return len(a.Logs) > 0 || a.follows()
	}
	return slices.Contains(a.Components, name)
}
