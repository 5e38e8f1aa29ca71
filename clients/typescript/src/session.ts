import { Problem } from "./problem.js";
import type { components } from "./schema.js";

/** What a session lives by. Whoever has them is the caller. */
export interface Tokens {
  access: string;
  /** Serves once. */
  refresh: string;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

/** How long before its expiry an access token is exchanged, so that none expires on the way. */
const EARLY = 30_000;

export function tokensOf(signedIn: components["schemas"]["SignedIn"]): Tokens {
  return { access: signedIn.accessToken, refresh: signedIn.refreshToken, expiresAt: Date.now() + signedIn.expiresIn * 1000 };
}

/**
 * Holds tokens and exchanges them. A refresh token that is used twice ends the session, so there is one exchange at a
 * time, and whoever asks meanwhile gets what it brings.
 */
export class Session {
  #exchange: Promise<Tokens> | undefined;

  constructor(
    private tokens: Tokens,
    private readonly exchange: (refresh: string) => Promise<Response>,
    private readonly onTokens: (tokens: Tokens) => void,
  ) {}

  /** An access token that is good by the clock and is not the refused one. Throws a Problem when the session is over. */
  async token(refused?: string): Promise<string> {
    if (this.tokens.access === refused || this.tokens.expiresAt - Date.now() <= EARLY) {
      this.#exchange ??= this.#renew().finally(() => (this.#exchange = undefined));
      await this.#exchange;
    }
    return this.tokens.access;
  }

  get refreshToken(): string {
    return this.tokens.refresh;
  }

  async #renew(): Promise<Tokens> {
    const response = await this.exchange(this.tokens.refresh);
    if (!response.ok) {
      throw await Problem.of(response);
    }
    this.tokens = tokensOf((await response.json()) as components["schemas"]["SignedIn"]);
    this.onTokens(this.tokens);
    return this.tokens;
  }
}
