package wiring

import (
	"slices"
	"strings"

	"haberdash/dapr/launch/appfile"
	"haberdash/internal/roster"
)

// Operation is the name of an operation in Dapr's access rules, in which no wildcard but the last has an effect. path
// is a path or a pattern of one.
func Operation(path string) string {
	if i := strings.IndexAny(path, "*{"); i >= 0 {
		return path[:strings.LastIndex(path[:i], "/")] + "/**"
	}
	return path
}

// Limits of bulk deliveries: a single event waits at most maxAwait milliseconds.
const (
	maxMessages = 100
	maxAwait    = 20
)

// SubscriptionsOf returns the subscriptions of an app that joins, as resources of Dapr: one for each topic that it
// follows, and one for its dead letters.
func SubscriptionsOf(a appfile.App) (list []map[string]any) {
	subscribe := func(name, topic string, routes, more map[string]any) {
		spec := map[string]any{"pubsubname": "pubsub", "topic": topic, "routes": routes}
		for member, value := range more {
			spec[member] = value
		}
		list = append(list, map[string]any{
			"apiVersion": "dapr.io/v2alpha1", "kind": "Subscription", "metadata": map[string]any{"name": name},
			"spec": spec, "scopes": []string{a.ID},
		})
	}
	dead := roster.DeadLetterTopic(a.ID)
	for _, t := range a.Follows {
		routes, more := map[string]any{"default": t.Path}, map[string]any{"deadLetterTopic": dead}
		var rules []map[string]any
		for _, r := range t.Rules {
			rules = append(rules, map[string]any{"match": r.Match, "path": r.Path})
		}
		if len(rules) > 0 {
			routes["rules"] = rules
		}
		if t.Bulk {
			more["bulkSubscribe"] = map[string]any{
				"enabled": true, "maxMessagesCount": maxMessages, "maxAwaitDurationMs": maxAwait,
			}
		}
		subscribe(t.Topic+"-"+a.ID, t.Topic, routes, more)
	}
	if len(a.Follows) > 0 {
		subscribe(dead, dead, map[string]any{"default": "/events/" + dead}, nil)
	}
	return list
}

// SecretScopes let a sidecar give its app the secrets of these names, and no others.
func SecretScopes(allowed []string) map[string]any {
	return map[string]any{"scopes": []any{
		map[string]any{"storeName": "secrets", "defaultAccess": "deny", "allowedSecrets": slices.Clone(allowed)},
		map[string]any{"storeName": "kubernetes", "defaultAccess": "deny"},
	}}
}

// PolicyOf returns the policy of an app that joins in the access rules of an app that it calls; nil if it calls none of
// its operations. Besides its calls it may read the feeds of the topics that it follows, and the keys that verify
// tokens.
func PolicyOf(a appfile.App, callee string) map[string]any {
	var operations []any
	for _, c := range a.Calls {
		if c.App == callee {
			operations = append(operations, operation(c.Path, c.Method))
		}
	}
	for _, l := range a.Logs() {
		if l.App == callee {
			operations = append(operations, operation("/feed", "GET"), operation("/feed/"+l.Name, "GET"))
		}
	}
	if callee == roster.Users {
		operations = append(operations, operation("/.well-known/jwks.json", "GET"))
	}
	return policy(a.ID, operations)
}

// AccessTo returns the access rules of an app that joins. The gateway may call what the app serves, its dead letters,
// its description and its readiness. Other apps that join may call what they say.
func AccessTo(a appfile.App, joined []appfile.App) map[string]any {
	var operations []any
	described := roster.Joined{App: a.ID, Serves: a.Serves, DeadLetters: len(a.Follows) > 0}
	for _, pattern := range described.Patterns() {
		operations = append(operations, operation(pattern, "*"))
	}
	operations = append(operations, operation(a.OpenAPI, "GET"), operation(a.Ready, "GET"))
	policies := []any{policy(roster.Gateway, operations)}
	for _, caller := range joined {
		if p := PolicyOf(caller, a.ID); p != nil && caller.ID != a.ID {
			policies = append(policies, p)
		}
	}
	return map[string]any{"defaultAction": "deny", "trustDomain": "public", "policies": policies}
}

func policy(caller string, operations []any) map[string]any {
	if len(operations) == 0 {
		return nil
	}
	return map[string]any{
		"appId": caller, "trustDomain": "public", "namespace": "default", "defaultAction": "deny",
		"operations": operations,
	}
}

func operation(path, method string) map[string]any {
	return map[string]any{"name": Operation(path), "httpVerb": []string{method}, "action": "allow"}
}
