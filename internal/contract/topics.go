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

// DeadLetters is the topic where deliveries of topic end that no attempt could handle.
func DeadLetters(topic string) string { return topic + "-dead" }

// Topics lists every topic, dead letters included: the broker needs them created before use.
func Topics() []string {
	var all []string
	for _, t := range []string{TopicOrders, TopicStock, TopicCatalog, TopicUsers} {
		all = append(all, t, DeadLetters(t))
	}
	return all
}
