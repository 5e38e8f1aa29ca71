// Package contract has everything that services exchange: topics, events, and the requests and replies of internal
// operations. A service in another language must implement these shapes and nothing else. Golden files freeze them.
package contract

// Topics of the broker. Each has the events of one service; catalog has two.
const (
	TopicOrders  = "orders"
	TopicStock   = "stock"
	TopicCatalog = "catalog"
	TopicUsers   = "users"
)

// Consumers lists the apps that subscribe to topics.
func Consumers() []string { return []string{"catalog", "cart", "orders", "notifications"} }

// DeadLetters returns the topic of an app's deliveries whose attempts are used up. Each app has its own, whatever topic
// an event comes from, so that no app sees what only another app could not handle.
func DeadLetters(app string) string { return app + "-dead" }

// Topics lists all topics, dead-letter topics included: a broker needs them created before they are used.
func Topics() []string {
	all := []string{TopicOrders, TopicStock, TopicCatalog, TopicUsers}
	for _, app := range Consumers() {
		all = append(all, DeadLetters(app))
	}
	return all
}
