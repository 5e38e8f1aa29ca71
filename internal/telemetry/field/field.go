// Package field has the names of all fields of a log line. They follow the Elastic Common Schema (ECS): a fact that
// ECS knows has ECS' name, and the others are in the namespace haberdash. Names are flat: Elasticsearch reads the dots
// as objects.
//
// The list is closed. Log calls use these constants only (tests/architecture checks it), and the index template in
// deploy/observability/elasticsearch maps exactly these fields (a test checks it). No field has personal
// data, a secret, or text that a person has written.
package field

import "github.com/rs/zerolog"

// ECSVersion is the version of ECS to which the names belong.
const ECSVersion = "8.17.0"

// Fields of ECS. A logger of package telemetry writes those of the first group by itself, and the second and the third
// in the lines of a request, a delivery or an activity.
const (
	Timestamp = "@timestamp" // UTC
	Level     = "log.level"
	Message   = "message"
	Error     = "error.message" // zerolog's Err
	ECS       = "ecs.version"
	Service   = "service.name"

	Trace   = "trace.id"
	Span    = "span.id"
	Request = "http.request.id"

	Method   = "http.request.method"
	Status   = "http.response.status_code"
	Bytes    = "http.response.body.bytes"
	Duration = "event.duration" // in nanoseconds
	Action   = "event.action"   // what was decided: the type of the event in the log of the app
	Stack    = "error.stack_trace"
	User     = "user.id" // the account that the line is about
	Address  = "server.address"
)

// Fields of our own.
const (
	Route       = "haberdash.route"        // pattern of the address: an address itself may have a secret in it
	LinkedTrace = "haberdash.linked_trace" // the trace of a caller from outside
	Config      = "haberdash.config"       // settings, without secrets
	ReadOnly    = "haberdash.read_only"
	Upstream    = "haberdash.upstream"     // the app that was called
	Answer      = "haberdash.answer"       // of an app, if it is no problem document
	BreakerFrom = "haberdash.breaker.from" // states of the circuit breaker
	BreakerTo   = "haberdash.breaker.to"
	Wait        = "haberdash.wait" // until something is allowed again, in nanoseconds

	Log        = "haberdash.log"         // name of a log
	LogOwner   = "haberdash.log_owner"   // the app that writes it
	Aggregate  = "haberdash.aggregate"   // id in the log
	Position   = "haberdash.position"    // in the log
	Head       = "haberdash.head"        // position of the end of the log
	Follower   = "haberdash.follower"    // of a log
	Document   = "haberdash.document"    // key in the store
	EventID    = "haberdash.event.id"    // of an event in a log
	EventType  = "haberdash.event.type"  // of an event that is handled
	Events     = "haberdash.event.count" // how many events the line is about
	EventBytes = "haberdash.event.bytes"
	DeadLetter = "haberdash.dead_letter"
	Topic      = "haberdash.topic"
	Workflow   = "haberdash.workflow" // id of the instance
	Activity   = "haberdash.activity"

	Order       = "haberdash.order"        // id
	OrderNumber = "haberdash.order_number" // as the buyer knows it
	Part        = "haberdash.part"         // id of a fulfilment, return or refund of the order
	Reason      = "haberdash.reason"       // a code
	Decision    = "haberdash.decision"
	Product     = "haberdash.product"
	Receipt     = "haberdash.receipt" // of stock that an import has counted
	Created     = "haberdash.import.created"
	Updated     = "haberdash.import.updated"
	Failed      = "haberdash.import.failed"
	Actor       = "haberdash.actor" // the user who changed an account
	Roles       = "haberdash.roles"
	Factor      = "haberdash.second_factor" // its kind
	Invariant   = "haberdash.invariant"     // its number
	Violation   = "haberdash.violation"     // what is wrong, with ids only
	Fault       = "haberdash.fault"         // name of a fault flag
	Variant     = "haberdash.variant"       // of a fault flag
)

// The zerolog package reads these names and units from variables of its own.
func init() {
	zerolog.TimestampFieldName, zerolog.LevelFieldName, zerolog.MessageFieldName = Timestamp, Level, Message
	zerolog.ErrorFieldName, zerolog.ErrorStackFieldName = Error, Stack
	zerolog.DurationFieldUnit, zerolog.DurationFieldInteger = 1, true // nanoseconds, as ECS has them
}
