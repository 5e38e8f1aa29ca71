import type { Session } from "./session.js";

/** How often a request is made at most, if it may be repeated and the answer may change. */
const ATTEMPTS = 3;
/** A longer Retry-After is the caller's to wait for, in milliseconds. */
const PATIENCE = 5_000;

export type Fetch = (request: Request) => Promise<Response>;
export type Sleep = (milliseconds: number) => Promise<unknown>;

/** Makes requests with a session's access token, and again where that may help. */
export function transport(fetch: Fetch, sleep: Sleep, session: () => Session | undefined): Fetch {
  return async (request) => {
    for (let attempt = 1; ; attempt++) {
      const last = attempt === ATTEMPTS || !repeatable(request);
      let pause = attempt * 200;
      try {
        const response = await authorized(fetch, request, session());
        const wait = await temporary(response);
        if (wait === undefined || last) {
          return response;
        }
        await response.body?.cancel();
        pause = Math.max(pause, wait);
      } catch (failed) {
        // A TypeError is what fetch throws when no answer came; all else would come again.
        if (last || !(failed instanceof TypeError) || request.signal.aborted) {
          throw failed;
        }
      }
      await sleep(pause);
    }
  };
}

/** Whether a second request does no more than the first. The key is the same in all attempts. */
function repeatable(request: Request): boolean {
  return request.method === "GET" || request.headers.has("Idempotency-Key");
}

/** Milliseconds to wait if another attempt may end better: an outage, too many requests, a first one under way. */
async function temporary(response: Response): Promise<number | undefined> {
  const wait = Number(response.headers.get("Retry-After") ?? 0) * 1000 || 0;
  switch (response.status) {
    case 429:
    case 503:
      return wait <= PATIENCE ? wait : undefined;
    case 409: {
      const problem = (await response.clone().json().catch(() => ({}))) as { type?: string };
      return problem.type?.endsWith("/request-in-progress") ? wait : undefined;
    }
  }
  return undefined;
}

/** A refused token is exchanged and the request made once more: a refusal has changed nothing. */
async function authorized(fetch: Fetch, request: Request, session: Session | undefined): Promise<Response> {
  if (!session) {
    return fetch(request.clone());
  }
  const token = await session.token();
  const response = await fetch(bearing(token, request));
  if (response.status !== 401) {
    return response;
  }
  await response.body?.cancel();
  return fetch(bearing(await session.token(token), request));
}

function bearing(token: string, request: Request): Request {
  const copy = request.clone();
  copy.headers.set("Authorization", `Bearer ${token}`);
  return copy;
}
