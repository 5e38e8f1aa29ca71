// The parts of Dapr's HTTP API that this app uses: https://docs.dapr.io/reference/api/

import { isDeepStrictEqual } from "node:util";

const STORE = "state"; // the name of the state store's component
const STATE_TIMEOUT = 5_000;
const CALL_TIMEOUT = 10_000;
const READ_AT_ONCE = 100; // keys
const MAX_CONFLICTS = 25;

/** The sidecar, the store or another app does not answer. A repetition may succeed. */
export class UnavailableError extends Error {}

/** Another app refuses a request, with the name of a problem of the shop. */
export class RefusedError extends Error {
  constructor(
    message: string,
    readonly problem: string,
  ) {
    super(message);
  }
}

export interface Item<T = unknown> {
  key: string;
  value: T;
  etag: string;
}

export interface Write {
  key: string;
  value: unknown;
  etag?: string | undefined; // the version that is replaced; without one the key must be new
  ttlSeconds?: number;
}

export class Sidecar {
  constructor(
    private readonly address: string,
    private readonly token: string,
  ) {}

  /** Reports whether the sidecar can reach its components. */
  async healthy(): Promise<boolean> {
    const answer = await this.request("GET", "healthz/outbound", { timeout: 2_000 }).catch(() => undefined);
    return answer?.ok ?? false;
  }

  /** Reads a document. */
  async get<T>(key: string): Promise<Item<T> | undefined> {
    const path = `state/${STORE}/${encodeURIComponent(key)}?consistency=strong`;
    const answer = await this.expect(await this.request("GET", path, { timeout: STATE_TIMEOUT }), `read ${key}`);
    const text = await textOf(answer);
    if (answer.status === 204 || text === "") return undefined;
    return { key, value: parse(text) as T, etag: answer.headers.get("etag") ?? "" };
  }

  /** Reads several documents, and leaves out those that do not exist. */
  async getMany<T>(keys: string[]): Promise<Map<string, Item<T>>> {
    const found = new Map<string, Item<T>>();
    for (let i = 0; i < keys.length; i += READ_AT_ONCE) {
      const body = { keys: keys.slice(i, i + READ_AT_ONCE), parallelism: 10 };
      const request = this.request("POST", `state/${STORE}/bulk`, { body, timeout: STATE_TIMEOUT });
      const answer = await this.expect(await request, `read ${body.keys.length} keys from ${body.keys[0]}`);
      type Row = { key: string; data?: T; etag?: string; error?: string };
      for (const { key, data, etag, error } of parse(await textOf(answer)) as Row[]) {
        if (error) throw new UnavailableError(`read ${key}: ${error}`);
        if (etag && data !== undefined && data !== null) found.set(key, { key, value: data, etag });
      }
    }
    return found;
  }

  /** Writes documents, each if it is still the version that was read. After an error, some of them may be written. */
  async save(writes: Write[]): Promise<void> {
    const body = writes.map(({ key, value, etag, ttlSeconds }) => ({
      key,
      value,
      ...(etag && { etag }),
      ...(ttlSeconds && { metadata: { ttlInSeconds: String(Math.ceil(ttlSeconds)) } }),
      options: { concurrency: "first-write", consistency: "strong" },
    }));
    const request = this.request("POST", `state/${STORE}`, { body, timeout: STATE_TIMEOUT });
    await this.expect(await request, `write ${writes.map((write) => write.key).join(", ")}`);
  }

  /** Writes one document. It returns false if somebody else has changed or created it since it was read. */
  async put(write: Write): Promise<boolean> {
    try {
      await this.save([write]);
      return true;
    } catch (error) {
      // Each kind of store reports a condition that does not hold with another error. So what is stored decides.
      const stored = await this.get(write.key);
      if (stored && isDeepStrictEqual(stored.value, JSON.parse(JSON.stringify(write.value)))) return true;
      if (stored?.etag === write.etag) throw error;
      return false;
    }
  }

  /**
   * Reads, changes and writes a document, again after each conflict with another writer. Nothing is written if change
   * returns undefined. It returns the document as it is then.
   */
  async update<T>(key: string, initial: T, change: (value: T) => T | undefined, ttlSeconds?: number): Promise<T> {
    for (let n = 0; n < MAX_CONFLICTS; n++) {
      const item = await this.get<T>(key);
      const before = item?.value ?? structuredClone(initial);
      const value = change(before);
      if (value === undefined) return before;
      if (await this.put({ key, value, etag: item?.etag, ...(ttlSeconds && { ttlSeconds }) })) return value;
    }
    throw new UnavailableError(`too many writers change ${key} at once`);
  }

  async delete(key: string): Promise<void> {
    const path = `state/${STORE}/${encodeURIComponent(key)}`;
    await this.expect(await this.request("DELETE", path, { timeout: STATE_TIMEOUT }), `delete ${key}`);
  }

  /** Calls an operation of another app and returns its answer, which is an object or a list. */
  async call<T>(app: string, method: "GET" | "POST", path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const options = { body, timeout: CALL_TIMEOUT, signal };
    const answer = await this.request(method, `invoke/${app}/method/${path}`, options);
    const text = await textOf(answer);
    if (answer.ok) return parse(text) as T; // an answer that was cut off is no JSON
    const message = `${app}/${path.split("?")[0]} answers ${answer.status}`;
    const isProblem = answer.headers.get("content-type")?.startsWith("application/problem+json");
    if (answer.status >= 500 || !isProblem) throw new UnavailableError(`${message}: ${text.slice(0, 300)}`);
    const type = String((parse(text) as { type?: string }).type);
    throw new RefusedError(message, type.slice(type.lastIndexOf("/") + 1));
  }

  /** Invokes an output binding. */
  async bind(name: string, data: string, metadata: Record<string, string>, signal?: AbortSignal): Promise<void> {
    const body = { operation: "create", data, metadata };
    await this.expect(await this.request("POST", `bindings/${name}`, { body, timeout: 20_000, signal }), name);
  }

  /** Headers for requests that a library makes. */
  get headers(): Record<string, string> {
    return { "dapr-api-token": this.token };
  }

  url(path: string): URL {
    return new URL(`/v1.0/${path}`, this.address);
  }

  private async request(
    method: string,
    path: string,
    options: { body?: unknown; timeout: number; signal?: AbortSignal | undefined },
  ): Promise<Response> {
    const timeout = AbortSignal.timeout(options.timeout);
    try {
      return await fetch(this.url(path), {
        method,
        headers: { ...this.headers, ...(options.body !== undefined && { "content-type": "application/json" }) },
        body: options.body === undefined ? null : JSON.stringify(options.body),
        signal: options.signal ? AbortSignal.any([timeout, options.signal]) : timeout,
      });
    } catch (error) {
      throw new UnavailableError(`the sidecar does not answer: ${causeOf(error)}`);
    }
  }

  private async expect(answer: Response, what: string): Promise<Response> {
    if (answer.ok) return answer;
    throw new UnavailableError(
      `${what}: the sidecar answers ${answer.status}: ${(await textOf(answer)).slice(0, 300)}`,
    );
  }
}

async function textOf(answer: Response): Promise<string> {
  try {
    return await answer.text();
  } catch (error) {
    throw new UnavailableError(`the answer of the sidecar was cut off: ${causeOf(error)}`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UnavailableError("the answer of the sidecar was cut off");
  }
}

function causeOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
