// The operations of the app: for its sidecar, for administrators and for operators.

import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance, type FastifyRequest } from "fastify";
import type { Delivery, Status } from "./consumer.js";
import type { Verify } from "./identity.js";
import type { Notifications } from "./notifications.js";
import { Problem } from "./problems.js";
import { UnavailableError, type Sidecar } from "./sidecar.js";
import type { Bookmark, Found } from "./store.js";
import { MAX_IMPORT, MEDIA_TYPE, importItems, lines } from "./transfer.js";

export const APP = "notifications";

const MAX_BODY = 16 << 20; // of a delivery, which has up to 100 messages
const OPEN = { config: { open: true } }; // for probes, which do not come from the sidecar

interface Parts {
  sidecar: Sidecar;
  appToken: string;
  logger: FastifyBaseLogger;
}

/** Makes a server with what every mode has: the token of the sidecar, problems, and probes. */
function newServer({ sidecar, appToken, logger }: Parts): FastifyInstance {
  const app: FastifyInstance = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }), // paths may have secrets
    requestIdHeader: "x-request-id",
    bodyLimit: MAX_BODY,
  });
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const expected = digest(appToken);
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    const { open } = request.routeOptions.config as { open?: boolean };
    const sent = String(request.headers["dapr-api-token"] ?? "");
    if (!open && !timingSafeEqual(digest(sent), expected)) {
      throw new Problem(401, "unauthenticated", "Only the Dapr sidecar may call this service.");
    }
  });
  // Bodies are CloudEvents, JSON or lines of JSON, whatever their type says.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
  app.setNotFoundHandler(() => {
    throw new Problem(404, "not-found", "There is nothing at this address.");
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    if (problem.status >= 500) request.log.warn({ err: error }, "request failed");
    return reply
      .code(problem.status)
      .headers(problem.headers)
      .send(Buffer.from(JSON.stringify(problem)));
  });
  app.get("/healthz", OPEN, async () => ({ status: "ok" }));
  app.get("/readyz", OPEN, async (_request, reply) => {
    const healthy = await sidecar.healthy();
    reply.code(healthy ? 200 : 503);
    return { status: healthy ? "OK" : "Service Unavailable", checks: { sidecar: healthy ? "ok" : "does not answer" } };
  });
  return app;
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof UnavailableError)
    return new Problem(503, "unavailable", "A part of the shop does not answer just now.");
  const { statusCode } = error as { statusCode?: number };
  if (statusCode === 413) return new Problem(413, "body-too-large", "The body is too large.");
  if (statusCode && statusCode < 500)
    return new Problem(statusCode, "malformed-request", "The request cannot be read.");
  return new Problem(500, "internal", "Something went wrong on our side.");
}

/** Makes the server of an app that only takes in an import of data. */
export function newImporter(parts: Parts): FastifyInstance {
  const app = newServer(parts);
  app.post("/internal/import", { bodyLimit: MAX_IMPORT }, async (request) => {
    onlyOwnSidecar(request);
    return { items: await importItems(parts.sidecar, request.body as string) };
  });
  return app;
}

/** Makes the server of the app. */
export function newApp(parts: Parts, { consumer }: Notifications, verify: Verify): FastifyInstance {
  const app = newServer(parts);

  const deliveriesOf = (topic: string, lastAttempt: boolean) =>
    app.post(`/events/${topic}`, async (request) => {
      const body = cloudEventsOf(request.body as string);
      if (!body) return { status: "DROP" satisfies Status }; // it is not JSON
      const statuses = await consumer.deliver(body.messages, lastAttempt);
      if (!body.entryIds) return { status: statuses[0] };
      return { statuses: statuses.map((status, i) => ({ entryId: body.entryIds![i], status })) };
    });
  deliveriesOf("orders", false);
  deliveriesOf("users", false);
  deliveriesOf(`${APP}-dead`, true);

  type Params = { Params: { app: string; id: string }; Querystring: Record<string, string | undefined> };
  const admin = async (request: FastifyRequest) => {
    const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
    if (request.headers.authorization === undefined) throw new Problem(401, "unauthenticated", "Sign in first.");
    if (!token) throw new Problem(401, "invalid-token", "The Authorization header is not a bearer token.");
    if (!(await verify(token)).includes("admin"))
      throw new Problem(403, "forbidden", "You are not allowed to do this.");
  };
  const ofThisApp = ({ app }: Params["Params"]) => {
    if (app !== APP) throw new Problem(404, "not-found", "There is no such consumer.");
  };
  const onlyAdmin = { onRequest: admin };
  const letters = "/api/v1/dead-letters/:app";
  app.get<Params>(letters, onlyAdmin, async (request, reply) => {
    const { from, limit } = pageOf(request.query);
    ofThisApp(request.params);
    const { list, next } = await consumer.deadLetters(from, limit);
    reply.header("cache-control", "private, no-cache");
    const nextCursor = next ? Buffer.from(JSON.stringify(next)).toString("base64url") : null;
    return { items: list.map(summary), nextCursor };
  });
  app.post<Params>(`${letters}/:id/replay`, onlyAdmin, async (request, reply) => {
    ofThisApp(request.params);
    await consumer.replay(request.params.id);
    return reply.code(204).send();
  });
  app.delete<Params>(`${letters}/:id`, onlyAdmin, async (request, reply) => {
    ofThisApp(request.params);
    await consumer.discard(request.params.id);
    return reply.code(204).send();
  });

  app.get("/internal/consumers", async () => ({ cursors: await consumer.cursors() }));
  app.get("/internal/export", async (request, reply) => {
    onlyOwnSidecar(request);
    return reply.type(MEDIA_TYPE).send(Readable.from(lines(consumer.export())));
  });
  const description = readFileSync(new URL("../../openapi.json", import.meta.url), "utf8");
  app.get("/openapi.json", async (_request, reply) => reply.type("application/openapi+json").send(description));
  return app;
}

/** Returns the messages of a delivery, and their ids in it if it has several. */
function cloudEventsOf(body: string): { messages: Delivery[]; entryIds?: string[] } | undefined {
  type CloudEvent = { id?: unknown; data?: unknown } | null;
  const delivery = (event: CloudEvent): Delivery => ({ id: String(event?.id ?? ""), data: event?.data });
  try {
    const parsed = JSON.parse(body) as CloudEvent & { entries?: { entryId: string; event: CloudEvent }[] };
    if (!Array.isArray(parsed?.entries)) return { messages: [delivery(parsed)] };
    return {
      messages: parsed.entries.map(({ event }) => delivery(event)),
      entryIds: parsed.entries.map((e) => e.entryId),
    };
  } catch {
    return undefined;
  }
}

/** An export has data that no other app may read. The caller's sidecar names the app; the own one names none. */
function onlyOwnSidecar(request: FastifyRequest): void {
  const caller = request.headers["dapr-caller-app-id"];
  if (caller !== undefined && caller !== APP) {
    throw new Problem(403, "forbidden", `Only the own sidecar of ${APP} may call this.`);
  }
}

function pageOf(query: Record<string, string | undefined>): { from: Bookmark | undefined; limit: number } {
  const limit = Number(query.limit ?? 20);
  if (!Number.isInteger(limit) || limit < 1 || limit > 100)
    throw Problem.input("query.limit", "expected a number from 1 to 100");
  if (!query.cursor) return { from: undefined, limit };
  try {
    const { source, partition, before } = JSON.parse(Buffer.from(query.cursor, "base64url").toString());
    if (typeof source === "string" && typeof partition === "string" && Number.isSafeInteger(before)) {
      return { from: { source, partition, before }, limit };
    }
  } catch {} // as below
  throw Problem.input("query.cursor", "is not a cursor of this list");
}

/** Describes a dead letter without the data of the event, which administrators need not see. */
function summary({ id, event, reason, at, tries }: Found): object {
  const { type, source, partition, position, aggregate } = event;
  const named = Object.entries({ partition, position, aggregate }).filter(([, value]) => value);
  return { id, event: event.id, type, source, ...Object.fromEntries(named), reason, at, tries };
}
