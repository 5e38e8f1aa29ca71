import createClient, { type Client } from "openapi-fetch";

import { Problem } from "./problem.js";
import type { components, paths } from "./schema.js";
import { Session, tokensOf, type Tokens } from "./session.js";
import { transport, type Fetch, type Sleep } from "./transport.js";

export type { components, operations, paths } from "./schema.js";
export { isProblem, Problem, type ProblemDocument } from "./problem.js";
export type { Tokens } from "./session.js";

/** The shapes of the API by their names in its document: `Schemas["Order"]`. */
export type Schemas = components["schemas"];

export interface ShopOptions {
  /** Of the gateway, such as `https://shop.example`. */
  baseUrl: string;
  /** Of a session that was begun before; a guest without. */
  tokens?: Tokens;
  /** Is told each new pair of tokens, and undefined when the session ends, to keep them over a restart. */
  onTokens?: (tokens: Tokens | undefined) => void;
  /** Instead of the global fetch. */
  fetch?: Fetch;
  /** Instead of a timer, for tests. */
  sleep?: Sleep;
}

/** A shop as one caller sees it: a guest, or whoever signed in. */
export class Shop {
  /** An operation by method and path, such as `shop.api.GET("/api/v1/products")`; see `ok`. */
  readonly api: Client<paths>;
  #session: Session | undefined;
  readonly #options: ShopOptions;
  readonly #fetch: Fetch;

  constructor(options: ShopOptions) {
    this.#options = { ...options, baseUrl: options.baseUrl.replace(/\/$/, "") };
    this.#fetch = options.fetch ?? ((request) => globalThis.fetch(request));
    const sleep = options.sleep ?? ((ms: number) => new Promise((done) => setTimeout(done, ms)));
    this.api = createClient<paths>({ baseUrl: this.#options.baseUrl, fetch: transport(this.#fetch, sleep, () => this.#session) });
    if (options.tokens) {
      this.#begin(options.tokens);
    }
  }

  /** Begins a session. The access token is exchanged before it expires, and when it is refused. */
  async signIn(email: string, password: string): Promise<Schemas["User"]> {
    this.#session = undefined;
    const { value } = await ok(this.api.POST("/api/v1/auth/login", { body: { email, password } }));
    const tokens = tokensOf(value);
    this.#begin(tokens);
    this.#options.onTokens?.(tokens);
    return value.user;
  }

  /** Ends the session here and at the shop. */
  async signOut(): Promise<void> {
    const session = this.#session;
    if (!session) {
      return;
    }
    this.#session = undefined;
    this.#options.onTokens?.(undefined);
    await ok(this.api.POST("/api/v1/auth/logout", { body: { refreshToken: session.refreshToken } }));
  }

  #begin(tokens: Tokens): void {
    const exchange = (refreshToken: string) =>
      this.#fetch(
        new Request(this.#options.baseUrl + "/api/v1/auth/refresh", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ refreshToken }),
        }),
      );
    this.#session = new Session(tokens, exchange, (next) => this.#options.onTokens?.(next));
  }
}

/** A success: what came back and what the header says of it. */
export interface Answer<T> {
  value: T;
  status: number;
  /** The version that was read, as If-Match takes it. */
  etag: string | undefined;
  /** Whether this is the answer to an earlier request with the same idempotency key. */
  replayed: boolean;
  headers: Headers;
}

/** Waits for a call of `shop.api` and gives its answer, or throws the Problem. A 304 has no value. */
export async function ok<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<Answer<T>> {
  const { data, error, response } = await call;
  if (response.status >= 400) {
    const document = typeof error === "object" && error !== null ? error : { detail: String(error).slice(0, 200) };
    throw new Problem(response.status, document, response.headers);
  }
  return {
    value: data as T,
    status: response.status,
    etag: response.headers.get("ETag") ?? undefined,
    replayed: response.headers.get("Idempotent-Replayed") === "true",
    headers: response.headers,
  };
}

/** An idempotency key that nobody has used. Make one for each thing to be done, and give it again when in doubt. */
export function newKey(): string {
  return crypto.randomUUID();
}
