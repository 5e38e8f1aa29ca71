// Package commitlog is an event store on any Dapr state store, with what a service needs around one: documents
// behind the log, an outbox in front of it, and consumers in other services that miss nothing. Stock, orders and
// the catalogue stand on it.
//
// A service keeps what happened, not what is: "stock-main received 10 hats", "order o1 reserved 2". What is follows
// by folding the events. To change anything, it decides on the present state and appends; for that to be right
// while several processes do so at once, all must agree on one order of events. This package gives that order.
//
// # What it rests on
//
// One operation of the store: put-if-absent of a single key, of which exactly one contender wins. Every Dapr store
// has it. Transactions over several keys are not used: stores differ in what they undo, and Redis undoes nothing.
//
// # Commits
//
// A partition is a numbered sequence of commits. Commit n lives under one key and is written once:
//
//	log/stock-main/41   {"w": "K3ZU…", "b": 57, "e": [event, event]}
//	log/stock-main/42   {"w": "QJ7A…", "b": 59, "e": [event]}           ← whoever creates 43 has committed
//
// Nobody can commit n twice, and n+1 is only tried by a writer that has seen n. There is no document of the head and
// no second key takes part. A commit holds the events of several aggregates and several requests: while one put is
// under way the next batch gathers (group commit), so that one writer takes thousands of commands a second from a
// store that takes two milliseconds for a put.
//
// # Commands
//
// An aggregate is an immutable value, folded from its events by Model.Apply. A command (Partition.Do) is a pure
// function that looks at aggregates and emits events, or refuses. Commands of one batch see each other's events. If
// another writer was faster, the writer reads what it missed and decides again, so a decision always holds at the
// place in the log where it stands. A command that emits nothing, or refuses, is answered only after the log was
// seen to end where it was decided: nobody is told of a state that was over before they asked. (Get is quicker: it
// may be a second behind other processes.)
//
// A put that failed or timed out may have happened, and may happen yet. The writer puts the same bytes under the same
// key until it knows: created (the writer's unique mark is in them), or taken by another. If the store stays silent
// for too long, commands fail with ErrUnknown; their callers repeat them, so commands are idempotent. A put that
// lands late is found in the log like any other writer's.
//
// # Documents
//
// Folding from the first event at each start would take ever longer. So documents of the aggregates are written
// behind the log (doc/<partition>/<id>), each marked with the last commit that it includes, and a checkpoint names
// a commit up to which all of them are complete. Memory is documents plus the tail of the log. A partition opened
// Resident needs none: it keeps everything in memory and reads the whole log, for small models that are searched.
//
// What is read otherwise than by id is a Projection: a pure fold of events into documents of its own (view/…), each
// marked with the last event in it, so that a crash between two documents, or a second replica, repeats without
// harm. Lists are one: entries are index events (Tx.Note, which is not published), pages of 64 are documents, and
// any page of a list of any length is one read. Wait and Read give a process what it has itself committed.
//
// Documents can all be lost: Rebuild makes them from the log, to the byte. One that is lost alone is not noticed by
// who needs it; an Audit notices: it folds the log and compares it with every document, and with memory, while work
// goes on.
//
// # Telling others
//
// The log is the outbox. A publisher tails it and publishes each event after its commit, in order, at least once,
// with an id and a position: the published events of a partition are numbered 1, 2, 3 … without a gap. Each commit
// says how many were published before it ("b" above), so positions are part of the log, not of who reads it. The
// broker's key is the partition's name: that keeps a log's events in order, and makes logs the unit of scaling.
// The publisher's cursor is stored now and then; a crash repeats, never skips.
//
// The log is the feed, too: Partition.Feed pages through it by position, for whoever missed something (GET
// /feed/{partition} inside the mesh, see logapi).
//
// # Listening
//
// A Consumer is one app's way through other apps' logs. It keeps a cursor for each of them in the app's own store,
// and gives handlers a log's events one after the other:
//
//   - the next position is handled, an old one ignored;
//   - a gap is fetched from the feed first, and what no delivery ever brought is found by asking for the head;
//   - a handler that fails for now stops its log there, and the broker sends again;
//   - an event that can never be handled, or whose attempts are used up, is parked with its reason, and the log goes
//     on. Administrators list, replay and discard what is parked.
//
// So whatever a broker does (lose, repeat, reorder, start anew) changes when something is handled, and not whether.
//
// # The guarantee
//
// If the store keeps an acknowledged put and lets one contender win a key, and the models are pure:
//
//  1. an acknowledged command is in the log, once, and for ever;
//  2. every event was decided on exactly the state that precedes it in the log;
//  3. every reader, in every process, sees the same order;
//  4. every published event reaches each consumer's handler, in the order of its log, or is parked;
//  5. documents are what the log makes of its events, to the byte.
//
// It rests on no clock, no lease, no lock, and not on there being one writer or one replica. It does not make
// handlers run exactly once: a crash repeats what its cursor had not stored, so their effect must be idempotent. It
// orders nothing between two partitions. And it takes the store at its word: what a store loses after it has
// acknowledged (SQLite without synchronous(FULL) at a power failure, Redis without AOF) is lost.
//
// The tests hold it: interleaving_test.go plays writers under hundreds of schedules of a store that answers late,
// wrongly or not at all; consumer_test.go does as much to deliveries; audit_test.go to documents; logtest is the
// suite for every store, run on memory and through a real sidecar.
//
// # Several replicas
//
// Any number of processes may write a partition; it is never wrong, but it is slower: each put that another one wins
// costs a round trip and a repeated decision. With 64 clients on SQLite, two busy writers together took between a
// quarter and a half of the commands that one takes, four between an eighth and a quarter (BenchmarkContention). So
// give a partition that is busy one writer, and to scale use more partitions: stock has one for each location.
//
// # Old and new versions
//
// Events stay as they were written. A release that changes the shape of one adds an Upcaster to its model, and lifts
// what is older as it reads; one that changes an aggregate's state, or a projection's documents, raises the model's
// Version, and makes documents of its own from the log when it opens (Partition.Open, Projection.Open): those of the
// release before stay beside them, which is what a rollback needs. A release that meets an event of a later version
// than it knows guesses nothing: it answers ErrNewer and says so to its readiness probe. So for a rollout without a
// pause, a new field is optional (no new version: the old release passes it over), and a change that the old release
// would misread goes out in two steps: first the release that reads it, then the one that writes it.
//
// # Another store
//
// Commits are values under keys like any other, so a log moves by copying them, and documents follow (Export, and
// package transfer). Readers' cursors move along, or everything would be published and mailed again.
//
// # Finding one's way
//
//	event.go partition.go command.go writer.go   the log, commands, the one goroutine that commits
//	read.go history.go checkpoint.go             start, tail, an aggregate's history, documents
//	publisher.go feed.go follow.go               the outbox, the feed, work that follows one's own log
//	projection.go lists.go                       read models
//	refold.go audit.go rebuild.go                the log folded anew: compared, or written
//	version.go                                   events and documents of releases before
//	export.go                                    what moves to another store
//	consumer.go handler.go reader.go poll.go park.go  other apps' logs
//	logapi/ logtest/                             operations over HTTP; the suite
package commitlog
