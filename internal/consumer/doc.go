// Package consumer applies the events of other apps' logs to one app.
//
// A source app commits events to a log, publishes each of them to a topic, and serves them by position from its feed
// (internal/commitlog). A broker may lose, repeat or reorder what is published. A Consumer makes that harmless: it
// stores a cursor for each log that it consumes, in the app's own state store, and calls the app's handlers with the
// events of a log one after the other:
//
//   - The event after the cursor is handled. Older events are ignored.
//   - A gap between the cursor and a delivered event is fetched from the source's feed and handled first. The consumer
//     also asks each feed for its head every few seconds, to find events that no delivery has brought.
//   - A handler that fails stops its log at that event, and the broker delivers again.
//   - An event becomes a dead letter when its handler returns a Permanent error or when the broker's attempts are used
//     up, and the log continues with the next event. Administrators list dead letters, replay them and discard them.
//
// So every event of a log is handled, in the order of the log, or becomes a dead letter. Handlers run at least once:
// the cursor is stored every 200 ms, and after a crash the events since then are handled again. So handlers must be
// idempotent.
//
// # How an event is handled
//
// Each name is the function that does the step:
//
//	Consumer.Deliver            decodes deliveries and groups them by log
//	logReader.handleDeliveries  handles the events of one log in the order of their positions
//	logReader.handleUpTo        handles the gap before an event, if there is one, and then the event
//	logReader.handleGap         fetches that gap from the feed
//	logReader.handleNext        handles the event after the cursor, or makes it a dead letter
//	logReader.handleBatch       handles several events of one type with one call, where the app can
//	Consumer.callHandler        calls the handler with a timeout, and turns a panic into an error
//	logReader.advanceTo         moves the cursor past handled events
//	logReader.skip              moves the cursor past a dead letter
//	logReader.storeCursor       stores the cursor
//
// # Where to look
//
//	consumer.go    options, subscription, deliveries
//	logreader.go   one log: its cursor and the steps above
//	logs.go        which logs the consumer knows
//	cursor.go      when the cursor is read and stored
//	handler.go     handlers and how they are called
//	poll.go        polling of feeds, storing of cursors
//	deadletter.go  dead letters: list, replay, discard; data export
//	lag.go         how far the consumer is behind, for metrics
//	metrics.go     what is measured
//	consumerstore  the documents in the state store
//	consumerapi    dead letters and cursors over HTTP
//	consumertest   the conformance suite, run on every state store
//
// The package has more than 700 lines (about 1,100), because deliveries, polling and replays work on the same cursor
// under the same lock (logReader).
package consumer
