// Handles the events of logs in their order, each at least once, whatever the broker repeats, reorders or loses.
//
// Each log has a cursor. Events at or below it are ignored, and events that are missing before a delivered one are read
// from the feed of their app first. The feeds are also polled, because a delivery may never come. An event that can
// never be handled becomes a dead letter, and the next one is handled.

import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyBaseLogger } from "fastify";
import { PermanentError, envelopeOf, type Event, type Log } from "./events.js";
import type { Cursor as Position, FeedPage } from "./generated/contract.js";
import { Problem } from "./problems.js";
import { UnavailableError, type Item, type Sidecar } from "./sidecar.js";
import { Store, compareLogs, type Bookmark, type Found } from "./store.js";

export type Handle = (events: Event[], signal: AbortSignal) => Promise<void>;

/** How the events of a type are handled. Events of other types are ignored. */
export interface Handler {
  handle: Handle; // must be idempotent
  batch?: boolean; // it takes several events
}

/** A message of the broker. */
export interface Delivery {
  id: string;
  data: unknown;
}

export type Status = "SUCCESS" | "RETRY" | "DROP";

const POLL_MS = 3_000;
const PAGE = 200;
const MAX_BATCH = 50;
const HANDLER_MS = 20_000; // the sidecar waits for 30 s
const GIVE_UP_MS = 600_000; // longer than all attempts of the broker
const UNKNOWN: Log = { source: "unknown", partition: "" };
const INVALID = "the delivery is not an event";

/** How far this process has come in a log. */
class Reader {
  position = 0;
  applied = 0;
  head: number | undefined; // of the feed, at the last poll
  failing: { position: number; since: number } | undefined;
  private stored = 0;
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    readonly log: Log,
    private readonly store: Store,
  ) {}

  /** Runs work when earlier work with this log is done. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }

  /** Reads the stored cursor, and continues there if another replica has come further. */
  async load(): Promise<void> {
    const { p, a } = await this.store.cursor(this.log);
    if (p >= this.position) [this.position, this.applied] = [p, a];
    this.stored = p;
  }

  async save(): Promise<void> {
    if (this.stored < this.position) {
      this.stored = (await this.store.advance(this.log, this.position, this.applied)).p;
    }
  }

  passed(event: Event): void {
    this.applied += event.position - this.position;
    this.position = event.position;
  }

  skipped(event: Event): void {
    this.position = event.position;
  }

  failed(event: Event): void {
    if (this.failing?.position !== event.position) this.failing = { position: event.position, since: Date.now() };
  }

  get failsTooLong(): boolean {
    return this.failing?.position === this.position + 1 && Date.now() - this.failing.since > GIVE_UP_MS;
  }
}

export class Consumer {
  private readonly store: Store;
  private readonly readers = new Map<string, Reader>();
  private readonly listed = new Set<Reader>();

  constructor(
    private readonly sidecar: Sidecar,
    private readonly handlers: Record<string, Handler>,
    follows: Log[],
    private readonly logger: FastifyBaseLogger,
  ) {
    this.store = new Store(sidecar);
    for (const log of follows) this.listed.add(this.reader(log));
  }

  private reader(log: Log): Reader {
    const key = JSON.stringify([log.source, log.partition]);
    const reader = this.readers.get(key) ?? new Reader(log, this.store);
    this.readers.set(key, reader);
    return reader;
  }

  /** Returns the reader of a log, and adds it to the stored list of logs, so that its dead letters are listed. */
  private async known(log: Log): Promise<Reader> {
    const reader = this.reader(log);
    if (!this.listed.has(reader)) {
      await this.store.addLog(log);
      this.listed.add(reader);
    }
    return reader;
  }

  /** Returns the readers of all logs, also of those that were discovered before a restart. */
  private async all(): Promise<Reader[]> {
    for (const log of await this.store.logs()) this.listed.add(this.reader(log));
    return [...this.readers.values()].sort((a, b) => compareLogs(a.log, b.log));
  }

  /**
   * Handles what the broker delivers. With lastAttempt the broker has used up its attempts, and an event that fails
   * becomes a dead letter.
   */
  async deliver(deliveries: Delivery[], lastAttempt = false): Promise<Status[]> {
    const statuses = deliveries.map((): Status => "RETRY");
    const logs = new Map<Reader, { index: number; event: Event }[]>();
    for (const [index, { id, data }] of deliveries.entries()) {
      const event = envelopeOf(data);
      if (!event || event.position === 0) {
        statuses[index] = await this.attempt(() => (event ? this.loose(event, lastAttempt) : this.refuse(id, data)));
        continue;
      }
      const reader = this.reader({ source: event.source, partition: event.partition });
      logs.set(reader, [...(logs.get(reader) ?? []), { index, event }]);
    }
    const work = [...logs].map(async ([reader, arrivals]) => {
      const sorted = arrivals.map(({ event }) => event).sort((a, b) => a.position - b.position);
      const events = sorted.filter(({ position }, i) => position !== sorted[i - 1]?.position);
      const outcome = await this.attempt(() => this.handleLog(reader, events, lastAttempt));
      for (const { index, event } of arrivals) {
        statuses[index] = event.position <= reader.position ? "SUCCESS" : outcome;
      }
    });
    await Promise.all(work);
    return statuses;
  }

  private async attempt(work: () => Promise<void>): Promise<Status> {
    try {
      await work();
      return "SUCCESS";
    } catch (error) {
      this.logger.warn({ err: error }, "events wait for the next delivery");
      return "RETRY";
    }
  }

  private async refuse(id: string, data: unknown): Promise<void> {
    const event = { id: id.slice(0, 1000), type: "", ...UNKNOWN, data } as Event;
    await this.known(UNKNOWN);
    await this.bury(UNKNOWN, event, INVALID);
  }

  /** Handles an event of a source without a log. Such events have no order, and are handled each time they come. */
  private async loose(event: Event, lastAttempt: boolean): Promise<void> {
    const log = { source: event.source, partition: "" };
    await this.reader(log).exclusive(async () => {
      const failure = await this.call([event]);
      if (!failure) return;
      if (!isFinal(failure, lastAttempt)) throw failure;
      await this.known(log);
      await this.bury(log, event, failure.message);
    });
  }

  private async handleLog(reader: Reader, events: Event[], lastAttempt: boolean): Promise<void> {
    await this.known(reader.log);
    await reader.exclusive(async () => {
      await reader.load();
      try {
        for (let i = 0; i < events.length;) {
          const event = events[i]!;
          if (event.position > reader.position + 1) await this.readGap(reader, event.position - 1, lastAttempt);
          let end = i + 1; // of the events that follow one another
          while (end < events.length && events[end]!.position <= events[end - 1]!.position + 1) end++;
          await this.handle(reader, events.slice(i, end), lastAttempt);
          i = end;
        }
      } finally {
        await this.save(reader);
      }
    });
  }

  /** Stores a cursor. After an error, events may be handled again after a restart; another poll tries it again. */
  private async save(reader: Reader): Promise<void> {
    await reader.save().catch((error) => this.logger.warn({ err: error }, "cannot store a cursor"));
  }

  /** Reads missing events up to a position from the feed and handles them. */
  private async readGap(reader: Reader, upTo: number, lastAttempt: boolean): Promise<void> {
    while (reader.position < upTo) {
      const at = reader.position;
      const { events, head } = await this.feed(reader.log, at + 1, Math.min(upTo - at, PAGE));
      if (events.length === 0) throw new UnavailableError(`the feed ends at position ${head}`);
      const wrong = events.findIndex((e, i) => e.source !== reader.log.source || e.position !== at + 1 + i);
      if (wrong >= 0) throw new UnavailableError(`the feed has ${events[wrong]!.id} at position ${at + 1 + wrong}`);
      await this.handle(reader, events, lastAttempt);
    }
  }

  private feed({ source, partition }: Log, from: number, max: number): Promise<FeedPage> {
    return this.sidecar.call(source, "GET", `feed/${encodeURIComponent(partition)}?from=${from}&max=${max}`);
  }

  /** Handles events without a gap between them, the first of which is not behind the one after the cursor. */
  private async handle(reader: Reader, events: Event[], lastAttempt: boolean): Promise<void> {
    let rest = events;
    let batches = !lastAttempt;
    for (;;) {
      rest = rest.filter((event) => event.position > reader.position);
      const [next] = rest;
      if (!next) return;
      const { batch, last } = batches ? batchOf(rest, this.handlers) : { batch: [], last: next };
      if (batch.length > 1) {
        const failure = await this.call(batch);
        if (failure) {
          this.logger.info({ err: failure }, "a batch failed, its events are handled one by one");
          batches = false;
        } else {
          reader.passed(last);
        }
        continue;
      }
      const failure = await this.call([next]);
      if (!failure) {
        reader.passed(next);
      } else if (isFinal(failure, lastAttempt)) {
        await this.bury(reader.log, next, failure.message);
        reader.skipped(next);
        await this.save(reader);
      } else {
        reader.failed(next);
        throw failure;
      }
    }
  }

  /** Calls the handler of events of one type, and returns its error. */
  private async call(events: Event[]): Promise<Error | undefined> {
    try {
      await this.handlers[events[0]!.type]?.handle(events, AbortSignal.timeout(HANDLER_MS));
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  private async bury(log: Log, event: Event, reason: string): Promise<void> {
    const id = await this.store.add(log, event, reason);
    const names = { "haberdash.event.id": event.id, "haberdash.event.type": event.type, "haberdash.dead_letter": id };
    this.logger.error({ ...names, "error.message": reason }, "an event became a dead letter");
  }

  /** Polls the feeds until the signal aborts, and then stores the cursors. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for (const reader of await this.all()) await this.poll(reader);
      } catch (error) {
        this.logger.warn({ err: error }, "cannot poll the feeds, will try again");
      }
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
    for (const reader of this.readers.values()) await this.save(reader);
  }

  /**
   * Reads the head of a feed. Events up to it may still be on their way through the broker. Those that were in the feed
   * at the poll before, and have not come since, are read from the feed.
   */
  private async poll(reader: Reader): Promise<void> {
    if (reader.log.partition === "") return; // it has no feed
    try {
      await reader.exclusive(async () => {
        await reader.load();
        const before = reader.head;
        reader.head = (await this.feed(reader.log, reader.position + 1, 1)).head;
        try {
          if (reader.failsTooLong) await this.readGap(reader, reader.position + 1, true);
          await this.readGap(reader, before ?? reader.head, false);
        } finally {
          await this.save(reader);
        }
      });
    } catch (error) {
      this.logger.warn({ err: error, "haberdash.log.name": reader.log.partition }, "cannot poll a log, will try again");
    }
  }

  /** Returns how far this app has come in each log. */
  async cursors(): Promise<Position[]> {
    const positions = (await this.all()).map(async ({ log, position, applied, head }) => {
      const { p, a, k } = await this.store.cursor(log);
      return {
        ...log,
        ...(p > position ? { position: p, applied: a } : { position, applied }),
        parked: k,
        head: head ?? 0,
      };
    });
    return Promise.all(positions);
  }

  async deadLetters(from: Bookmark | undefined, limit: number): Promise<{ list: Found[]; next?: Bookmark }> {
    const readers = await this.all();
    return this.store.letters(
      readers.map(({ log }) => log),
      from,
      limit,
    );
  }

  /** Handles a dead letter once more, and removes it if that succeeds. */
  async replay(id: string): Promise<void> {
    const letter = await this.store.letter(id);
    await this.reader(letter.log).exclusive(async () => {
      const unknown = letter.log.source === UNKNOWN.source;
      const failure = unknown ? new PermanentError(INVALID) : await this.call([letter.event]);
      if (!failure) return this.store.remove(id);
      await this.store.failedAgain(letter, failure.message);
      const detail = "The event could not be handled this time either.";
      throw new Problem(409, "not-handled", detail, { reason: failure.message });
    });
  }

  discard(id: string): Promise<void> {
    return this.store.remove(id);
  }

  /** Discards the dead letters whose events match, in all logs. It is for erasing the data of a person. */
  async discardMatching(matches: (event: Event) => boolean): Promise<void> {
    for (let at: Bookmark | undefined, more = true; more;) {
      const { list, next } = await this.deadLetters(at, 100);
      for (const { id, event } of list) if (matches(event)) await this.discard(id);
      [at, more] = [next, next !== undefined];
    }
  }

  async *export(): AsyncGenerator<Item> {
    const readers = await this.all();
    for (const reader of readers) await reader.save();
    yield* this.store.export(readers.map(({ log }) => log));
  }
}

const isFinal = (failure: Error, lastAttempt: boolean): boolean => failure instanceof PermanentError || lastAttempt;

/** Returns the next events that one call can handle, and the last event that is done with them or is ignored. */
function batchOf(events: Event[], handlers: Record<string, Handler>): { batch: Event[]; last: Event } {
  const batch: Event[] = [];
  let last = events[0]!;
  for (const event of events) {
    const handler = handlers[event.type];
    const fits = handler?.batch && (batch[0]?.type ?? event.type) === event.type && batch.length < MAX_BATCH;
    if (handler && !fits) break;
    if (handler) batch.push(event);
    last = event;
  }
  return { batch, last };
}
