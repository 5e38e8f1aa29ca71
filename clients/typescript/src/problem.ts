import type { components } from "./schema.js";

/** What the shop answers with any status of 400 and above, as RFC 9457 words it. */
export type ProblemDocument = components["schemas"]["Problem"];

/** A refusal or a failure. `name` tells problems apart; `members` has what only this type of problem has. */
export class Problem extends Error {
  /** The last segment of the type, such as `out-of-stock`; `none` for what is no problem document. */
  override readonly name: string;
  readonly status: number;
  /** The inputs to blame. */
  readonly errors: readonly { location: string; message: string }[];
  readonly members: Readonly<Record<string, unknown>>;
  readonly headers: Headers;

  constructor(status: number, document: Partial<ProblemDocument>, headers: Headers) {
    super(document.detail ?? document.title ?? `status ${status}`);
    this.name = document.type?.split("/").pop() ?? "none";
    this.status = status;
    this.errors = document.errors ?? [];
    this.members = document;
    this.headers = headers;
  }

  /** Milliseconds after which the shop suggests to come back; 0 if it does not. */
  get retryAfter(): number {
    return Number(this.headers.get("Retry-After") ?? 0) * 1000 || 0;
  }

  /** Reads an answer of 400 and above. A proxy's page, say, is no problem document: its text is the message. */
  static async of(response: Response): Promise<Problem> {
    const text = await response.text();
    try {
      return new Problem(response.status, JSON.parse(text) as ProblemDocument, response.headers);
    } catch {
      return new Problem(response.status, { detail: text.slice(0, 200) }, response.headers);
    }
  }
}

/** Tells whether something that was thrown is a problem of this name. */
export function isProblem(thrown: unknown, name: string): thrown is Problem {
  return thrown instanceof Problem && thrown.name === name;
}
