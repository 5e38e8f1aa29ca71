// What a consumer remembers, in the same documents as the shop's own service, so that one can take over from the other:
//
//	consumer                         the logs that it knows
//	consumer/{source}/{partition}    how far it has come in a log
//	parked/{source}/{partition}/{n}  the dead letter with number n of a log

import type { Event, Log } from "./events.js";
import { Problem } from "./problems.js";
import type { Item, Sidecar } from "./sidecar.js";

export interface Cursor {
  p: number; // all events up to this position are handled, ignored or dead letters
  a: number; // how many of them are handled or ignored
  k: number; // dead letters so far, which are numbered from 1
  r?: number; // changes with each that is replayed or discarded
}

export interface DeadLetter {
  event: Event;
  reason: string; // the error of the last attempt
  at: string;
  tries: number;
}

/** A dead letter with its id: source, partition and number, separated by colons. */
export interface Found extends DeadLetter {
  id: string;
  log: Log;
  number: number;
}

/** A position in the list of dead letters. */
export interface Bookmark extends Log {
  before: number; // the number of the last dead letter of the page before
}

const PAGE = 100;
const MAX_REASON = 2_000;
const MAX_VALUE = 1 << 20; // characters of JSON that every store takes
const KEPT = 10_000; // characters of data that is too large

const LOGS = "consumer";
const keyOf = (kind: string, log: Log) =>
  `${kind}/${encodeURIComponent(log.source)}/${encodeURIComponent(log.partition)}`;
const cursorKey = (log: Log) => keyOf("consumer", log);
const letterKey = (log: Log, n: number) => `${keyOf("parked", log)}/${n}`;
const idOf = (log: Log, n: number) => `${log.source}:${log.partition}:${n}`;

const NONE: Cursor = { p: 0, a: 0, k: 0 };
const missing = () => new Problem(404, "not-found", "There is no such dead letter.");

export class Store {
  constructor(private readonly sidecar: Sidecar) {}

  async logs(): Promise<Log[]> {
    return (await this.sidecar.get<Log[]>(LOGS))?.value ?? [];
  }

  async addLog(log: Log): Promise<void> {
    const has = (logs: Log[]) => logs.some((l) => idOf(l, 0) === idOf(log, 0));
    await this.sidecar.update<Log[]>(LOGS, [], (logs) => (has(logs) ? undefined : [...logs, log]));
  }

  async cursor(log: Log): Promise<Cursor> {
    return (await this.sidecar.get<Cursor>(cursorKey(log)))?.value ?? NONE;
  }

  /** Moves a cursor forward, and returns what is stored then. */
  async advance(log: Log, position: number, applied: number): Promise<Cursor> {
    return this.sidecar.update<Cursor>(cursorKey(log), NONE, (at) =>
      at.p < position ? { ...at, p: position, a: applied } : undefined,
    );
  }

  /**
   * Stores a dead letter. After a crash between its number and its document, the event is delivered again: one event
   * may become two dead letters, and none is lost.
   */
  async add(log: Log, event: Event, reason: string): Promise<string> {
    const { k } = await this.sidecar.update<Cursor>(cursorKey(log), NONE, (at) => ({ ...at, k: at.k + 1 }));
    const letter: DeadLetter = { event, reason: reason.slice(0, MAX_REASON), at: new Date().toISOString(), tries: 1 };
    const data = JSON.stringify(event.data) ?? "";
    if (data.length > MAX_VALUE / 4) {
      letter.event = { ...event, data: data.slice(0, KEPT) };
      letter.reason += ` (only the beginning of the ${data.length} characters of data is kept)`;
    }
    await this.sidecar.put({ key: letterKey(log, k), value: letter });
    return idOf(log, k);
  }

  async letter(id: string): Promise<Found> {
    const [, source = "", partition = "", n = ""] = /^([^:]*):(.*):(\d{1,15})$/.exec(id) ?? [];
    const log = { source, partition };
    const item = n && (await this.sidecar.get<DeadLetter>(letterKey(log, Number(n))));
    if (!item) throw missing();
    return { ...item.value, id, log, number: Number(n) };
  }

  /** Records one more failed attempt, unless the dead letter was discarded meanwhile. */
  async failedAgain({ log, number }: Found, reason: string): Promise<void> {
    const key = letterKey(log, number);
    const item = await this.sidecar.get<DeadLetter>(key);
    if (!item) return;
    const letter = { ...item.value, reason: reason.slice(0, MAX_REASON), at: new Date().toISOString() };
    await this.sidecar.put({ key, etag: item.etag, value: { ...letter, tries: letter.tries + 1 } });
  }

  async remove(id: string): Promise<void> {
    const { log, number } = await this.letter(id);
    await this.sidecar.update<Cursor>(cursorKey(log), NONE, (at) => ({ ...at, r: (at.r ?? 0) + 1 }));
    await this.sidecar.delete(letterKey(log, number));
  }

  /** Lists dead letters: log by log in the given order, and the latest of each log first. */
  async letters(logs: Log[], from: Bookmark | undefined, limit: number): Promise<{ list: Found[]; next?: Bookmark }> {
    const list: Found[] = [];
    for (const log of logs) {
      const order = from ? compareLogs(log, from) : 1;
      if (order < 0) continue;
      let { k: n } = await this.cursor(log);
      if (order === 0 && from) n = Math.min(n, from.before - 1);
      for (; n > 0; n -= PAGE) {
        for (const found of await this.page(log, Math.max(n - PAGE, 0), n)) {
          if (list.length === limit) {
            const last = list[limit - 1]!;
            return { list, next: { ...last.log, before: last.number } };
          }
          list.push(found);
        }
      }
    }
    return { list };
  }

  /** Returns the dead letters with numbers above one and up to another, the latest first. */
  private async page(log: Log, above: number, upTo: number): Promise<Found[]> {
    const numbers = Array.from({ length: upTo - above }, (_, i) => upTo - i);
    const items = await this.sidecar.getMany<DeadLetter>(numbers.map((n) => letterKey(log, n)));
    return numbers.flatMap((number) => {
      const item = items.get(letterKey(log, number));
      return item ? [{ ...item.value, id: idOf(log, number), log, number }] : [];
    });
  }

  /** Returns everything that is stored: the list of logs, and of each its cursor and its dead letters. */
  async *export(logs: Log[]): AsyncGenerator<Item> {
    const list = await this.sidecar.get(LOGS);
    if (list) yield list;
    for (const log of logs) {
      const cursor = await this.sidecar.get<Cursor>(cursorKey(log));
      if (!cursor) continue;
      yield cursor;
      for (let n = 0; n < cursor.value.k; n += PAGE) {
        const numbers = Array.from({ length: Math.min(PAGE, cursor.value.k - n) }, (_, i) => n + i + 1);
        yield* (await this.sidecar.getMany(numbers.map((number) => letterKey(log, number)))).values();
      }
    }
  }
}

export function compareLogs(a: Log, b: Log): number {
  const order = (x: string, y: string) => (x < y ? -1 : Number(x > y));
  return order(a.source, b.source) || order(a.partition, b.partition);
}
