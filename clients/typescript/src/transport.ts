import type { Session } from "./session.js";

/** How often the client sends a request that is safe to repeat and fails for a temporary reason. */
const MAX_ATTEMPTS = 3;
/** The longest Retry-After that the client waits for, in milliseconds. The caller decides about longer waits. */
const MAX_WAIT = 5_000;

export type Fetch = (request: Request) => Promise<Response>;
export type Sleep = (milliseconds: number) => Promise<unknown>;

/** Returns a fetch that adds the access token of the session, and repeats requests when that is safe and may help. */
export function transport(fetch: Fetch, sleep: Sleep, session: () => Session | undefined): Fetch {
  return async (request) => {
    for (let attempt = 1; ; attempt++) {
      const last = attempt === MAX_ATTEMPTS || !repeatable(request);
      let pause = attempt * 200;
      try {
        const response = await sendAuthorized(fetch, request, session());
        const wait = await retryDelay(response);
        if (wait === undefined || last) {
          return response;
        }
        await response.body?.cancel();
        pause = Math.max(pause, wait);
      } catch (failed) {
        // fetch throws a TypeError when there was no response. Any other error would occur again.
        if (last || !(failed instanceof TypeError) || request.signal.aborted) {
          throw failed;
        }
      }
      await sleep(pause);
    }
  };
}

/** Reports whether a request has the same effect when it is sent twice: all attempts have the same idempotency key. */
function repeatable(request: Request): boolean {
  return request.method === "GET" || request.headers.has("Idempotency-Key");
}

/**
 * Returns the milliseconds to wait before the next attempt, or undefined if another attempt does not help. It may help
 * after an outage, after too many requests, and while the first request with the same key is still in progress.
 */
async function retryDelay(response: Response): Promise<number | undefined> {
  const wait = Number(response.headers.get("Retry-After") ?? 0) * 1000 || 0;
  switch (response.status) {
    case 429:
    case 503:
      return wait <= MAX_WAIT ? wait : undefined;
    case 409: {
      const problem = (await response.clone().json().catch(() => ({}))) as { type?: string };
      return problem.type?.endsWith("/request-in-progress") ? wait : undefined;
    }
  }
  return undefined;
}

/**
 * Sends a request with the access token of the session. If the server refuses the token (401), refreshes the token and
 * sends the request again: the refused request has changed nothing.
 */
async function sendAuthorized(fetch: Fetch, request: Request, session: Session | undefined): Promise<Response> {
  if (!session) {
    return fetch(request.clone());
  }
  const token = await session.accessToken();
  const response = await fetch(withToken(token, request));
  if (response.status !== 401) {
    return response;
  }
  await response.body?.cancel();
  return fetch(withToken(await session.accessToken(token), request));
}

function withToken(token: string, request: Request): Request {
  const copy = request.clone();
  copy.headers.set("Authorization", `Bearer ${token}`);
  return copy;
}
