package contract

import "strconv"

// The message of an event is a CloudEvent 1.0 (https://cloudevents.io) with these attributes:
//
//	id           Event.ID
//	source       Event.Source, the app
//	type         Event.Type, such as "order.confirmed"
//	subject      Event.Aggregate, such as "order/<id>"
//	time         Event.At
//	dataschema   SchemaOf(type, version)
//	dataversion  Event.Version
//	data         the whole Event
//
// Subscriptions can route by them: `event.type == "order.confirmed"`. A message of a release before has Dapr's type,
// com.dapr.event.sent, and neither subject nor schema; its id, source and data are the same.

// SchemaOf returns the id of the JSON Schema of events of a type, with the version of the shape of their data.
func SchemaOf(eventType string, version int) string {
	return "urn:haberdash:event:" + eventType + ":" + strconv.Itoa(max(version, 1))
}
