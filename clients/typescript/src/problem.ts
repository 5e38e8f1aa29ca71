import type { components } from "./schema.js";

/** The body of every answer with a status of 400 or above (RFC 9457). */
export type ProblemDocument = components["schemas"]["Problem"];

/**
 * The error of a request that the server refused or could not complete. `name` identifies the kind of problem, and
 * `members` contains all members of the document, including those of this kind only.
 */
export class Problem extends Error {
  /** The last segment of the type, such as `out-of-stock`; `none` if the answer was not a problem document. */
  override readonly name: string;
  readonly status: number;
  /** The inputs that are wrong. */
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

  /** Milliseconds that the server asks the client to wait before the next attempt; 0 if it does not say. */
  get retryAfter(): number {
    return Number(this.headers.get("Retry-After") ?? 0) * 1000 || 0;
  }

  /**
   * Reads the problem in an answer of 400 or above. If the body is not a problem document, for example because a proxy
   * answered with a page, the message is the beginning of its text.
   */
  static async of(response: Response): Promise<Problem> {
    const text = await response.text();
    try {
      return new Problem(response.status, JSON.parse(text) as ProblemDocument, response.headers);
    } catch {
      return new Problem(response.status, { detail: text.slice(0, 200) }, response.headers);
    }
  }
}

/** Reports whether a thrown value is a problem with this name. */
export function isProblem(thrown: unknown, name: string): thrown is Problem {
  return thrown instanceof Problem && thrown.name === name;
}
