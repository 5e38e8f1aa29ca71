// Package commitlog is an event store on top of any Dapr state store. It also has what a service needs around an event
// store: snapshots of aggregates, an outbox, a feed for other services, audits and rebuilds. Orders, stock, the
// catalogue and the history of user accounts are built on it.
//
// A service stores events, which say what has happened: "stock-main received 10 hats", "order o1 reserved 2". The
// present state is computed from them. To change something, a service decides on the present state and appends new
// events. While several processes do so at the same time, this is only right if all of them agree on one order of
// events. This package provides that order.
//
// # What it needs from the store
//
// The package relies on one operation: put-if-absent of a single key, which exactly one of several contending writers
// wins. Every Dapr state store has it. Transactions over several keys are not used, because stores differ in what they
// roll back, and Redis rolls back nothing.
//
// # Commits
//
// A partition is one log: a sequence of commits, numbered 1, 2, 3 … Commit n is stored under one key and written once:
//
//	log/stock-main/41   {"w": "K3ZU…", "b": 57, "e": [event, event]}
//	log/stock-main/42   {"w": "QJ7A…", "b": 59, "e": [event]}           ← the writer that creates key 43 has committed
//
// No number can be committed twice, and a writer tries n+1 only after it has seen n. No document says where the log
// ends, and no second key takes part in a commit.
//
// A commit has the events of several commands. While one put is under way, the next commands collect into a batch
// (group commit). So one writer commits thousands of commands a second to a store that needs two milliseconds for a
// put.
//
// # Commands
//
// An aggregate is an immutable value, computed from its events by Model.Apply. A command (Partition.Do) is a pure
// function that reads aggregates and emits events, or refuses. Commands of one batch see each other's events. When
// another writer was faster, the writer reads the commits that it missed and decides the whole batch again. So every
// decision is based on the state at its own place in the log.
//
// A command that emits nothing, or that refuses, is answered only after the log was seen to end where the command was
// decided. So no caller is told of a state that had already changed when it asked. Get is such a command. Recent reads
// memory, which costs nothing and may be a second behind other processes. It is meant for what never changes, for
// work that is repeated, and for positive answers: a process whose memory would contradict what another process has
// answered calls CatchUp or Get first.
//
// A put that failed or timed out may have happened, or may happen later. The writer puts the same bytes under the same
// key until it knows: either it has created the key (the commit has the writer's unique mark), or another writer has.
// If the store does not answer for two seconds (Options.Patience), the commands fail with ErrUnknown and their callers
// repeat them. So commands must be idempotent. A put that happens later is in the log like that of any other writer.
//
// # Documents
//
// If a process read the log from the first event at each start, that would take ever longer. So snapshots of the
// aggregates, here called documents, are written after the commits (doc/<partition>/<id>). Each names the last commit
// that it includes. A checkpoint names a commit up to which all documents are complete. A process starts with the
// checkpoint and the commits after it, and reads a document when a command needs it. A Resident partition has no
// documents: it reads the whole log and keeps every aggregate in memory. That is meant for small models that are
// searched.
//
// Data that is read in other ways than by the id of an aggregate is kept in read models, for example in lists: see the
// package projection.
//
// A document that the store refuses, because it is too large for example, stops no other: it is set aside, and the
// checkpoint names it. Its aggregate stays in memory, and a start makes it from its own events. One of several replicas
// writes the documents. The others see its checkpoint and read one key.
//
// A document that cannot be decoded fails the commands on its aggregate, and no others. When a commit changes the
// aggregate, it is made from its events, and the next checkpoint mends the document.
//
// All documents can be lost: Rebuild makes them from the log again, byte for byte. If a single document is lost, the
// process that reads it does not notice. Partition.Audit does: it makes all documents from the log and compares them
// with the store and with memory, while the service works.
//
// # Publishing
//
// The log is the outbox. Partition.Publish follows it and publishes each event after its commit, in order, at least
// once, with an id and a position. The published events of a partition have the positions 1, 2, 3 … without a gap. Each
// commit says how many events were published before it ("b" above), so positions are part of the log and the same for
// every reader. The broker's key is the partition's name. That preserves the order of a log's events, and it means that
// a service scales with the number of its logs. The publisher stores its cursor from time to time. After a crash it
// repeats events. It skips one only if the broker refuses it and takes others, because it is too large for example: the
// event is in the feed, where consumers find it.
//
// The log is also the feed: Partition.Feed returns published events by position, for a consumer that has missed some
// (GET /feed/{partition} inside the mesh, see logapi).
//
// Other services consume what is published, in order and without a gap, with the package haberdash/internal/consumer.
//
// # Guarantees
//
// If the store keeps a put that it has acknowledged, and lets exactly one contender create a key, and if the models are
// pure, then:
//
//  1. an acknowledged command is in the log, once, and for ever;
//  2. every event was decided on exactly the state that precedes it in the log;
//  3. every reader, in every process, sees the same order;
//  4. every published event reaches the handler of each consumer, in the order of its log, or becomes a dead letter;
//  5. documents are exactly, byte for byte, what the events of the log make.
//
// The guarantees depend on no clock, no lease and no lock, and neither on one writer nor on one replica.
//
// Handlers do not run exactly once: a crash repeats the events since the cursor was stored, so what a handler does must
// be idempotent. Events of two partitions have no order. And what a store loses after it has acknowledged it is lost:
// for example SQLite without synchronous(FULL) at a power failure, or Redis without its append-only file (AOF).
//
// Tests for the guarantees:
//
//   - TestWritersUnderManySchedules plays contending writers under 150 schedules of a store that answers late, with
//     errors or not at all, while processes are killed.
//   - TestAcknowledgedCommandsSurviveAFlakyStoreAndCrashes does the same with random failures and with documents.
//   - TestAuditFindsDamagedDocumentsAndRebuildRestoresThem damages documents after crashes.
//   - TestTwoReleasesWriteOneLogAndKeepTheirOwnDocuments plays a rollout and a rollback.
//   - TestEveryEventIsHandledInOrderOrBecomesADeadLetter, in the package consumer, loses, repeats and reorders
//     deliveries.
//   - logtest.Test is the conformance suite for every store, run in memory (TestInMemory) and through a real sidecar
//     (TestThroughSidecar).
//
// # Several replicas
//
// Any number of processes may write a partition. The result is always right, but it comes more slowly: each put that
// another writer wins costs a round trip and a second decision. With 64 clients on SQLite, two busy writers together
// commit between a quarter and a half of the commands that one writer commits, and four commit between an eighth and a
// quarter (BenchmarkContention). So give a busy partition one writer, and use more partitions to scale: stock has one
// for each location.
//
// # Old and new releases
//
// Stored events never change. A release that changes the shape of an event adds an Upcaster to its model, which
// converts older events when they are read. A release that changes the state of an aggregate, or the documents of a
// projection, raises the Version of the model. When it opens the log or the projection, it makes its own documents from
// the log. Those of the release before stay in the store beside them, because a rollback needs them.
//
// A release that reads an event of a later version than it knows does not guess: commands fail with ErrNewer, and the
// process reports that it is not ready (Partition.Ready). So for a rollout without interruption, a new member of an
// event is optional: it needs no new version, and the old release ignores it. A change that the old release would
// misunderstand takes two releases: the first one reads the new shape, and the second one writes it.
//
// # Moving to another store
//
// Commits are values under keys like any other. A log is moved by copying them, and documents are made from them again:
// see Partition.Export and the package haberdash/internal/transfer. The cursors of the publisher and of the consumers
// are copied too; otherwise every event would be published, and every mail sent, a second time.
//
// # Files
//
//	event.go       events, commits and errors
//	model.go       aggregates, and events of older shapes
//	partition.go   opening and closing a log
//	command.go     Do, and what a command sees
//	writer.go      the goroutine that decides and commits
//	read.go        reading the log into memory
//	get.go         reading aggregates
//	history.go     the events of one aggregate
//	documents.go   documents: reading and preloading
//	checkpoint.go  documents and checkpoints: writing
//	aside.go       documents that the store refuses, and aggregates from their own events
//	rebuild.go     documents from the log again: Rebuild, Audit, a new version
//	cursor.go      cursors of followers of the log
//	follow.go      work inside the service that follows its own log
//	publish.go     the outbox
//	feed.go        published events by position
//	export.go      the log as a part of a data export
//	metrics.go     what is measured
//
//	projection       read models, and lists in pages
//	logapi           feeds and audits over HTTP
//	logtest          the conformance suite, and tests of models against the logs of earlier releases
//	internal/refold  a log folded again, for audits and rebuilds
//	internal/layout  the keys of the store
//
// The package is larger than others, about 2,000 lines. All of it works on the memory of one Partition (the head of the
// log, the last commits, the aggregates), which one lock guards and one goroutine changes. Smaller packages would have
// to export that memory to each other. What needs only exported methods has a package of its own.
package commitlog
