import createClient, { type Client } from "openapi-fetch";

import { Problem } from "./problem.js";
import type { components, paths } from "./schema.js";
import { Session, tokensOf, type Tokens } from "./session.js";
import { transport, type Fetch, type Sleep } from "./transport.js";

export type { components, operations, paths } from "./schema.js";
export { isProblem, Problem, type ProblemDocument } from "./problem.js";
export type { Tokens } from "./session.js";

/** The types of the API by their names in the OpenAPI document, such as `Schemas["Order"]`. */
export type Schemas = components["schemas"];

export interface ShopOptions {
  /** Address of the gateway, such as `https://shop.example`. */
  baseUrl: string;
  /** Tokens of an existing session. Without them, the caller is a guest. */
  tokens?: Tokens;
  /** Called with each new pair of tokens, and with undefined after signOut. A program can store them over a restart. */
  onTokens?: (tokens: Tokens | undefined) => void;
  /** Used instead of the global fetch. */
  fetch?: Fetch;
  /** Used instead of a timer, for tests. */
  sleep?: Sleep;
}

/** A client that calls one gateway as one caller: as a guest, or as the user who has signed in. */
export class Shop {
  /** Calls an operation by method and path, such as `shop.api.GET("/api/v1/products")`. `ok` gives the result. */
  readonly api: Client<paths>;
  #session: Session | undefined;
  readonly #options: ShopOptions;
  readonly #fetch: Fetch;

  constructor(options: ShopOptions) {
    this.#options = { ...options, baseUrl: options.baseUrl.replace(/\/$/, "") };
    this.#fetch = options.fetch ?? ((request) => globalThis.fetch(request));
    const sleep = options.sleep ?? ((ms: number) => new Promise((done) => setTimeout(done, ms)));
    this.api = createClient<paths>({
      baseUrl: this.#options.baseUrl,
      fetch: transport(this.#fetch, sleep, () => this.#session),
    });
    if (options.tokens) {
      this.#startSession(options.tokens);
    }
  }

  /** Starts a session. The client refreshes the access token before it expires and when the server refuses it. */
  async signIn(email: string, password: string): Promise<Schemas["User"]> {
    this.#session = undefined;
    const { value } = await ok(this.api.POST("/api/v1/auth/login", { body: { email, password } }));
    const tokens = tokensOf(value);
    this.#startSession(tokens);
    this.#options.onTokens?.(tokens);
    return value.user;
  }

  /** Ends the session, in the client and on the server. */
  async signOut(): Promise<void> {
    const session = this.#session;
    if (!session) {
      return;
    }
    this.#session = undefined;
    this.#options.onTokens?.(undefined);
    await ok(this.api.POST("/api/v1/auth/logout", { body: { refreshToken: session.refreshToken } }));
  }

  #startSession(tokens: Tokens): void {
    const refresh = (refreshToken: string) =>
      this.#fetch(
        new Request(this.#options.baseUrl + "/api/v1/auth/refresh", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ refreshToken }),
        }),
      );
    this.#session = new Session(tokens, refresh, (next) => this.#options.onTokens?.(next));
  }
}

/** The response to a call that succeeded. */
export interface Answer<T> {
  value: T;
  status: number;
  /** The version of the resource. Send it as If-Match to change that version only. */
  etag: string | undefined;
  /** Whether this is the stored answer to an earlier request with the same idempotency key. */
  replayed: boolean;
  headers: Headers;
}

/** Waits for a call of `shop.api` and returns its answer, or throws a Problem. After a 304, the value is undefined. */
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

/**
 * Returns a new idempotency key. Use one key for one thing to be done, such as an order, and the same key when you
 * repeat the request because you do not know whether it succeeded.
 */
export function newKey(): string {
  return crypto.randomUUID();
}
