package contract

import (
	"reflect"
	"slices"
)

// EventType describes the events of one type that an app publishes. Events of other types are in no topic and no feed.
type EventType struct {
	Type      string
	Summary   string       // what has happened
	Topic     string       // on which the events are published
	Aggregate string       // the form of Event.Aggregate, such as "order/{orderId}"
	Data      reflect.Type // of Event.Data
	Version   int          // of the shape of Data; events of a log that has older shapes are converted to it
	// Personal lists the members of the data that lead to a person, by their paths. An app that stores one of them has
	// the duties that Erasure names. Empty: the events have no personal data.
	Personal []string
}

// Erasure is what an app that stores data of an event owes to the persons that the data leads to.
const Erasure = "Brokers and logs cannot erase data, so events have ids instead of names, addresses and tokens. " +
	"An app that has stored such an id erases it, and all that it has stored with it, when user.deleted comes with the id."

// Published lists the types of all events that the apps of the shop publish.
func Published() []EventType { return slices.Clone(published) }

// PublishedType returns the description of a type of events. found is false if no app publishes it.
func PublishedType(eventType string) (t EventType, found bool) {
	i := slices.IndexFunc(published, func(t EventType) bool { return t.Type == eventType })
	if i < 0 {
		return EventType{}, false
	}
	return published[i], true
}

var published = slices.Concat(
	orderEvents(),
	eventsOf[StockMovement](TopicStock, "sku/{sku}", nil,
		StockReceived, "Goods have come in.",
		StockAdjusted, "Goods were counted, and there are fewer than the stock said.",
		StockReserved, "Goods are held for an order.",
		StockReleased, "Goods that were held for an order are free again.",
		StockShipped, "Goods have left the stock for an order.",
		StockReturned, "Goods of an order are in stock again.",
	),
	eventsOf[ProductFact](TopicCatalog, "{productId}", nil,
		ProductCreated, "A product is new.",
		ProductUpdated, "A product has changed.",
		ProductDeleted, "A product was deleted.",
	),
	eventsOf[CategoryFact](TopicCatalog, "category/{handle}", nil,
		CategoryCreated, "A category is new.",
		CategoryUpdated, "A category has changed.",
		CategoryDeleted, "A category was deleted.",
	),
	eventsOf[AccountFact](TopicUsers, "user/{userId}", []string{"userId", "mailId", "by", "sessionId"},
		UserVerificationRequested, "Somebody has registered, and a mail is to ask whether the mailbox is theirs.",
		UserPasswordResetAsked, "Somebody has forgotten a password, and a mail is to let them set another.",
		UserEmailChangeAsked, "A user wants another mailbox, and a mail is to ask whether it is theirs.",
		UserRegistrationRepeated, "Somebody has registered the mailbox of an account again, and a mail is to say so.",
		UserEmailChanged, "A user has another mailbox, and a mail to the former one is to say so.",
		UserSecondFactorAdded, "A user has added a second factor, and a mail is to say so.",
		UserSecondFactorRemoved, "A second factor was removed, and a mail is to say so.",
		UserDeleted, "An account was deleted: each app erases what it has stored of the user.",
	),
)

func orderEvents() []EventType {
	const aggregate = "order/{orderId}"
	return slices.Concat(
		eventsOf[OrderFact](TopicOrders, aggregate, []string{"customer", "orderId", "number", "cartId"},
			OrderPlaced, "An order was placed. It is neither paid nor has it any goods yet.",
			OrderConfirmed, "The payment of an order is authorised and its goods are allocated.",
		),
		eventsOf[RejectionFact](TopicOrders, aggregate, []string{"orderId"},
			OrderRejected, "An order has failed, and neither money nor goods are held for it any more.",
		),
		eventsOf[EndingFact](TopicOrders, aggregate, []string{"orderId", "why"},
			OrderCancelled, "A confirmed order was cancelled before anything was shipped.",
			OrderRestEnded, "What is not shipped of an order will not be shipped any more.",
		),
		eventsOf[FulfilmentFact](TopicOrders, aggregate, []string{"orderId", "fulfilment.trackingNumber"},
			FulfilmentRequested, "Lines were assigned to a parcel, whose share of the total is to be captured.",
		),
		eventsOf[ShipmentFact](TopicOrders, aggregate, []string{"customer", "orderId", "number", "trackingNumber"},
			FulfilmentShipped, "A parcel was paid for and shipped.",
		),
		eventsOf[PartFact](TopicOrders, aggregate, []string{"orderId"},
			FulfilmentFailed, "The payment provider refuses to capture a parcel's share, so it is not shipped.",
			FulfilmentDelivered, "A parcel has arrived.",
		),
		eventsOf[ReturnFact](TopicOrders, aggregate, []string{"orderId", "return.why"},
			ReturnRequested, "Lines are to come back.",
		),
		eventsOf[ReceiptFact](TopicOrders, aggregate, []string{"customer", "orderId", "number"},
			ReturnReceived, "A return has come in, and an amount is owed for it.",
		),
		eventsOf[PartFact](TopicOrders, aggregate, []string{"orderId"},
			ReturnSettled, "A return is refunded, and its goods are in stock again if they should be.",
		),
		eventsOf[RefundFact](TopicOrders, aggregate, []string{"orderId", "refund.why"},
			RefundRequested, "Staff give money back.",
		),
		eventsOf[PartFact](TopicOrders, aggregate, []string{"orderId"},
			RefundSettled, "A refund by staff was paid.",
			RefundFailed, "The payment provider refuses a refund by staff.",
		),
	)
}

// eventsOf describes types of events whose data has the type T: each type is followed by its summary.
func eventsOf[T any](topic, aggregate string, personal []string, typesAndSummaries ...string) (list []EventType) {
	for pair := range slices.Chunk(typesAndSummaries, 2) {
		list = append(list, EventType{Type: pair[0], Summary: pair[1], Topic: topic, Aggregate: aggregate,
			Data: reflect.TypeFor[T](), Version: 1, Personal: personal})
	}
	return list
}
