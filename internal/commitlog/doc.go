// Package commitlog is an event store on any Dapr state store. Stock, orders and the catalogue stand on
// it.
//
// # What it rests on
//
// One operation: put-if-absent of a single key, of which exactly one contender wins. SQLite, Redis,
// Postgres and every other Dapr store has it. Multi-key transactions are not used: stores differ in what
// they undo.
//
// # Partitions and commits
//
// A partition is a numbered sequence of commits. Commit n lives under one key, log/<partition>/<n>, and is
// written once. Whoever creates the key has committed; nobody can commit n twice, and n+1 is only tried
// by a writer that has seen n. There is no head document. A commit holds a batch of events, possibly of
// several aggregates and several requests: while one put is under way the next batch gathers (group
// commit), so one writer takes thousands of commands a second from a store that takes a millisecond or
// two for a put.
//
// # Commands
//
// An aggregate is an immutable value folded from its events. A command (Partition.Do) is a pure function:
// it looks at aggregates and emits events or refuses. Commands of one batch see each other's events. When
// another writer was faster, the commands are decided again on top of what it wrote, so that decisions
// always hold at the place in the log where they stand. A command that emits nothing, or refuses, is
// answered only after the log was seen to end where the decision was made.
//
// # Unknown outcomes
//
// A put that failed or timed out may have happened, and may happen yet. The writer tries the same bytes
// under the same key until it knows: created, or taken by another. If the store stays silent for too long
// the commands fail with ErrUnknown; their caller repeats them, and they must be idempotent. A late put
// that lands after all is found in the log like any other writer's.
//
// # Checkpoints
//
// Documents of the aggregates (doc/<partition>/<id>) are written behind the log, each marked with the
// last commit that it includes; the checkpoint (checkpoint/<partition>) names a commit up to which all
// documents are complete. Memory = documents + tail of the log. Losing every document loses nothing: they
// rebuild from the log. Memory holds the aggregates that are warm or not yet written; a partition opened
// Resident keeps all and needs no documents.
//
// # Indexes
//
// An index is an aggregate too: Tx.Note adds an event that is not published. Each event knows the commit
// of its aggregate's event before it, so an index of any length (a customer's orders, newest first) is
// read backwards from its aggregate, which stays small.
//
// # The outbox
//
// The log is the outbox: a Publisher tails it and publishes each event after its commit, in order, at
// least once, with an id derived from its place and with its position: published events of a partition are
// numbered 1, 2, 3 … without a gap. Each commit says how many events were published before it, so the numbers
// are part of the log. It is the feed, too: Partition.Read pages through it, for consumers that found a gap.
//
// # The guarantee
//
// If the store keeps an acknowledged put and lets one contender win: an acknowledged command is in the
// log once and for ever; every event is decided on the state that precedes it in the log; and every reader
// sees the same order. It does not rest on clocks, on leases or on there being one writer.
//
// # Several replicas
//
// Any number of processes may write one partition, at the cost of repeating decisions: each lost put is a
// round trip. Throughput per partition falls as writers are added; use more partitions instead.
package commitlog
