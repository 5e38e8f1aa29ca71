import { Problem } from "./problem.js";
import type { components } from "./schema.js";

/** The credentials of a session. They must be kept secret. */
export interface Tokens {
  access: string;
  /** Can be used once. */
  refresh: string;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

/** How many milliseconds before its expiry an access token is refreshed. It must not expire during a request. */
const EXPIRY_MARGIN = 30_000;

export function tokensOf(signedIn: components["schemas"]["SignedIn"]): Tokens {
  return {
    access: signedIn.accessToken,
    refresh: signedIn.refreshToken,
    expiresAt: Date.now() + signedIn.expiresIn * 1000,
  };
}

/**
 * Stores the tokens and refreshes them. The server ends a session whose refresh token is used twice. So only one
 * refresh is in progress at a time, and all requests that need a token meanwhile wait for it.
 */
export class Session {
  #refreshing: Promise<Tokens> | undefined;

  constructor(
    private tokens: Tokens,
    private readonly refresh: (refreshToken: string) => Promise<Response>,
    private readonly onTokens: (tokens: Tokens) => void,
  ) {}

  /**
   * Returns an access token that has not expired and is not the refused one. Refreshes the tokens if it has to, and
   * throws a Problem if the session has ended.
   */
  async accessToken(refused?: string): Promise<string> {
    if (this.tokens.access === refused || this.tokens.expiresAt - Date.now() <= EXPIRY_MARGIN) {
      this.#refreshing ??= this.#refreshTokens().finally(() => (this.#refreshing = undefined));
      await this.#refreshing;
    }
    return this.tokens.access;
  }

  get refreshToken(): string {
    return this.tokens.refresh;
  }

  async #refreshTokens(): Promise<Tokens> {
    const response = await this.refresh(this.tokens.refresh);
    if (!response.ok) {
      throw await Problem.of(response);
    }
    this.tokens = tokensOf((await response.json()) as components["schemas"]["SignedIn"]);
    this.onTokens(this.tokens);
    return this.tokens;
  }
}
