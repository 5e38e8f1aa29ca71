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
