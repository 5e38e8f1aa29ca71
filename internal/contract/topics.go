// Package contract is all that crosses the boundary between two services: the topics, the events on
// them and the replies of internal operations. A service in another language keeps this contract and
// nothing else. Golden files hold the shapes.
package contract

// Topics of the broker, one for each service that publishes.
const (
	TopicOrders  = "orders"
	TopicStock   = "stock"
	TopicCatalog = "catalog"
	TopicUsers   = "users"
)

// Consumers lists the apps that subscribe to topics.
func Consumers() []string { return []string{"catalog", "cart", "orders", "notifications"} }

// DeadLetters is the topic where an app's deliveries end that no attempt could handle: one for each app, not for
// each topic, so that nobody gets to see what only another one could not handle.
func DeadLetters(app string) string { return app + "-dead" }

// Topics lists every topic, dead letters included: the broker needs them created before use.
func Topics() []string {
	all := []string{TopicOrders, TopicStock, TopicCatalog, TopicUsers}
	for _, app := range Consumers() {
		all = append(all, DeadLetters(app))
	}
	return all
}
