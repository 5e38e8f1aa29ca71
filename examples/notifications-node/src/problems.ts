import { STATUS_CODES } from "node:http";

/** An error that the client sees: a problem document (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    detail: string,
    readonly members: Record<string, unknown> = {},
  ) {
    super(detail);
  }

  /** One wrong input, such as query.limit. */
  static input(location: string, message: string): Problem {
    return new Problem(422, "invalid-request", "The request is not valid.", { errors: [{ location, message }] });
  }

  get headers(): Record<string, string> {
    const headers: Record<string, string> = { "content-type": "application/problem+json", "cache-control": "no-store" };
    if (this.status === 401) headers["www-authenticate"] = 'Bearer realm="haberdash"';
    if (this.status === 503) headers["retry-after"] = "1";
    return headers;
  }

  toJSON(): Record<string, unknown> {
    const { members, status, message } = this;
    const type = `https://haberdash.dev/problems/${this.type}`;
    return { ...members, type, title: STATUS_CODES[status], status, detail: message };
  }
}
