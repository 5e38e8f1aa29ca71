// The data of this app as lines of JSON, for make export and make import-data.

import { isDeepStrictEqual } from "node:util";
import { Problem } from "./problems.js";
import type { Item, Sidecar, Write } from "./sidecar.js";

export const MEDIA_TYPE = "application/x-ndjson";
export const MAX_IMPORT = 4 << 20; // bytes: sidecars forward no more

const USED = "used"; // the key of the mark of a store that an app has used
const WRITES = 25; // at once

/** Marks the store as one that is in use, so that an import refuses it from now on. */
export async function markUsed(sidecar: Sidecar): Promise<void> {
  const value = { since: new Date().toISOString() };
  await sidecar.update<object | null>(USED, null, (mark) => (mark ? undefined : value));
}

/** Writes a line for each item, and their number as the last one: without it, a reader notices that some are lost. */
export async function* lines(items: AsyncIterable<Item>): AsyncGenerator<string> {
  let n = 0;
  for await (const { key, value } of items) {
    yield `${JSON.stringify({ key, value })}\n`;
    n++;
  }
  yield `${JSON.stringify({ items: n })}\n`;
}

/**
 * Writes the items of a body that the store does not have, and overwrites nothing. An item that is there with the same
 * value is ignored, so that an interrupted import can be repeated. If something is wrong, nothing is written.
 */
export async function importItems(sidecar: Sidecar, body: string): Promise<number> {
  const items = parse(body);
  const stored = await sidecar.getMany<unknown>([USED, ...items.map(({ key }) => key)]);
  if (stored.has(USED)) throw new Problem(409, "not-empty", "The store is not empty: a service has used it.");
  const missing = items.filter((item) => {
    const existing = stored.get(item.key);
    if (existing && !isDeepStrictEqual(existing.value, item.value)) {
      throw new Problem(409, "already-there", `The store has another value of ${item.key}.`, { key: item.key });
    }
    stored.set(item.key, { ...item, etag: "" }); // with which a second item of the key is compared
    return !existing;
  });
  for (let i = 0; i < missing.length; i += WRITES) await sidecar.save(missing.slice(i, i + WRITES));
  return items.length;
}

function parse(body: string): Write[] {
  const texts = body.replace(/\n$/, "").split("\n");
  const wrong = (line: number, why: string) =>
    new Problem(422, "invalid-request", "The items are not understood.", {
      errors: [{ location: "body", message: `line ${line}: ${why}` }],
    });
  const truncated = new Problem(400, "malformed-request", "The items did not arrive whole.");
  const items: Write[] = [];
  for (const [i, text] of texts.entries()) {
    let line: { key?: unknown; value?: unknown; ttl?: unknown; items?: unknown };
    try {
      line = JSON.parse(text);
    } catch {
      throw i === texts.length - 1 ? truncated : wrong(i + 1, "is not JSON of an item");
    }
    if (i === texts.length - 1) {
      if (line?.items !== items.length) throw truncated;
      return items;
    }
    const { key, value, ttl = 0 } = line ?? {};
    const isKey = typeof key === "string" && /^(?!.*\|\|)[ -~]+$/.test(key);
    if (!isKey) throw wrong(i + 1, "has no key that a store would take");
    if (value === undefined) throw wrong(i + 1, "has no value");
    if (typeof ttl !== "number" || ttl < 0) throw wrong(i + 1, "has no valid ttl");
    items.push({ key, value, ttlSeconds: ttl });
  }
  throw truncated;
}
