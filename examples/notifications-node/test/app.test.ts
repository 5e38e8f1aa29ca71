import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { FastifyInstance } from "fastify";
import { generateKeyPair } from "jose";
import { pino } from "pino";
import { newImporter } from "../src/app.js";
import { readConfig } from "../src/config.js";
import { markUsed } from "../src/transfer.js";
import { Shop, TOKENS, deliver } from "./shop.js";

let shop: Shop;
let app: FastifyInstance;
before(async () => {
  shop = await Shop.open();
});
after(() => shop.close());
beforeEach(() => {
  shop.documents.clear();
  for (const list of [shop.bound, shop.calls, shop.feeds.orders!, shop.feeds.users!]) list.length = 0;
  shop.down = () => false;
  app = shop.start().app;
});

const LETTERS = "/api/v1/dead-letters/notifications";

function call(method: "GET" | "POST" | "DELETE", url: string, token?: string, headers: object = {}) {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return app.inject({ method, url, headers: { "dapr-api-token": TOKENS.app, ...authorization, ...headers } });
}

const problem = (answer: { json(): { type: string } }) => answer.json().type.split("/").at(-1);

test("only the sidecar may call the app, probes excepted", async () => {
  for (const [method, url] of [
    ["GET", "/"],
    ["GET", "/openapi.json"],
    ["GET", "/internal/export"],
    ["GET", "/internal/consumers"],
    ["GET", LETTERS],
    ["POST", "/events/orders"],
    ["POST", "/events/notifications-dead"],
    ["GET", "/nothing"],
    ["GET", "/healthz/../internal/export"],
  ] as const) {
    for (const token of [undefined, "", "a guess", TOKENS.app + "x"]) {
      const answer = await app.inject({ method, url, headers: token === undefined ? {} : { "dapr-api-token": token } });
      assert.equal(answer.statusCode, 401, url);
      assert.equal(answer.headers["content-type"], "application/problem+json");
      assert.equal(answer.headers["www-authenticate"], 'Bearer realm="haberdash"');
    }
  }
  assert.equal((await app.inject("/healthz")).statusCode, 200);
  assert.equal((await app.inject("/readyz")).statusCode, 200);
  assert.equal((await call("GET", "/nothing")).statusCode, 404);
});

test("the app lives but is not ready while the sidecar cannot reach its components", async () => {
  shop.down = () => true;
  assert.equal((await app.inject("/healthz")).statusCode, 200);
  const answer = await app.inject("/readyz");
  assert.deepEqual([answer.statusCode, answer.json().checks], [503, { sidecar: "does not answer" }]);
  assert.equal((await call("GET", "/internal/consumers")).statusCode, 503);
});

test("administrators list, replay and discard dead letters", async () => {
  const admin = await shop.token();
  await deliver(app, "orders", shop.confirm({ number: "" }));
  const answer = await call("GET", LETTERS, admin);
  const { items, nextCursor } = answer.json() as { items: [Record<string, unknown>]; nextCursor: unknown };
  assert.equal(answer.headers["cache-control"], "private, no-cache");
  assert.equal(nextCursor, null);
  assert.ok(items[0].at);
  delete items[0].at;
  const reason = "the data of the event is invalid: the order lacks its number, lines or currency";
  assert.deepEqual(items, [
    {
      id: "orders:orders:1",
      event: "orders/orders/1/0",
      type: "order.confirmed",
      source: "orders",
      partition: "orders",
      position: 1,
      aggregate: "order/o1",
      reason,
      tries: 1,
    },
  ]);
  const letter = `${LETTERS}/${encodeURIComponent(String(items[0].id))}`;
  const replayed = await call("POST", `${letter}/replay`, admin);
  assert.deepEqual([replayed.statusCode, problem(replayed), replayed.json().reason], [409, "not-handled", reason]);
  assert.equal((await call("GET", LETTERS, admin)).json().items[0].tries, 2);
  assert.equal((await call("DELETE", letter, admin)).statusCode, 204);
  for (const method of ["DELETE", "POST"] as const) {
    const gone = await call(method, method === "POST" ? `${letter}/replay` : letter, admin);
    assert.deepEqual([gone.statusCode, problem(gone)], [404, "not-found"]);
  }
  assert.equal((await call("GET", "/api/v1/dead-letters/cart", admin)).statusCode, 404);
});

test("dead letters are listed in pages, the latest of each log first", async () => {
  const admin = await shop.token();
  for (let n = 0; n < 5; n++) await deliver(app, "orders", shop.confirm({ number: "" }));
  await deliver(app, "orders", "no event");
  const seen: string[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const page: { items: { id: string }[]; nextCursor: string | null } = (
      await call("GET", `${LETTERS}?limit=2&cursor=${cursor}`, admin)
    ).json();
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
  }
  assert.deepEqual(seen, [5, 4, 3, 2, 1].map((n) => `orders:orders:${n}`).concat("unknown::1"));
  for (const query of ["limit=0", "limit=101", "limit=x", "cursor=x"]) {
    const answer = await call("GET", `${LETTERS}?${query}`, admin);
    assert.equal(answer.statusCode, 422);
    assert.equal(answer.json().errors[0].location, `query.${query.split("=")[0]}`);
  }
});

test("nobody else sees dead letters", async () => {
  const staff = await shop.token({ roles: ["staff"] });
  for (const [method, url] of [
    ["GET", LETTERS],
    ["POST", `${LETTERS}/x/replay`],
    ["DELETE", `${LETTERS}/x`],
  ] as const) {
    const nobody = await call(method, url);
    assert.deepEqual([nobody.statusCode, problem(nobody)], [401, "unauthenticated"]);
    assert.equal((await call(method, url, staff)).statusCode, 403);
  }
});

test("tokens that the shop would refuse are refused", async () => {
  const now = Math.floor(Date.now() / 1000);
  for (const token of [
    await shop.token({ iss: "other" }),
    await shop.token({ aud: "other" }),
    await shop.token({ sub: undefined }),
    await shop.token({ sub: "" }),
    await shop.token({ exp: undefined }),
    await shop.token({ iat: undefined }),
    await shop.token({ iat: now - 400, exp: now - 100 }),
    await shop.token({ iat: now + 100, exp: now + 300 }),
    await shop.token({ exp: now + 3600 }),
    await shop.token({}, { kid: "another" }),
    await shop.token({}, { typ: "at+jwt" }),
    await shop.token({}, { jku: "https://example.test/keys" }),
    "x",
    "a.b.c",
    "",
  ]) {
    const answer = await call("GET", LETTERS, token);
    assert.deepEqual([answer.statusCode, problem(answer)], [401, "invalid-token"], token);
  }
  assert.equal((await call("GET", LETTERS, undefined, { authorization: "Basic YTpi" })).statusCode, 401);
  assert.equal((await call("GET", LETTERS, await shop.token({}, { typ: "JWT" }))).statusCode, 200);
  assert.equal((await call("GET", LETTERS, await shop.token({ iat: now + 3 }))).statusCode, 200, "clocks differ");
  const { publicKey } = await generateKeyPair("EdDSA", { crv: "Ed25519" });
  const { k1 } = shop.keys;
  shop.keys = { k1: publicKey };
  app = shop.start().app;
  assert.equal((await call("GET", LETTERS, await shop.token())).statusCode, 401, "signed by somebody else");
  shop.keys = { k1: k1! };
  shop.down = (path) => path.includes("jwks");
  app = shop.start().app;
  const unavailable = await call("GET", LETTERS, await shop.token());
  assert.deepEqual([unavailable.statusCode, unavailable.headers["retry-after"]], [503, "1"]);
});

test("a delivery is never answered with 404, and what is not JSON is dropped", async () => {
  const headers = { "dapr-api-token": TOKENS.app, "content-type": "application/cloudevents+json" };
  const answer = await app.inject({ method: "POST", url: "/events/orders", headers, payload: "{" });
  assert.deepEqual([answer.statusCode, answer.json()], [200, { status: "DROP" }]);
  const empty = await app.inject({ method: "POST", url: "/events/orders", headers, payload: '{"entries": []}' });
  assert.deepEqual(empty.json(), { statuses: [] });
});

test("what is exported can be imported, once more too, and only into a store that is not in use", async () => {
  await deliver(app, "orders", shop.confirm({ number: "" }), shop.confirm());
  await deliver(app, "users", shop.publish("user.email-changed", { userId: "u1", mailId: "m1" }));
  assert.equal((await call("GET", "/internal/export", undefined, { "dapr-caller-app-id": "cart" })).statusCode, 403);
  const exported = await call("GET", "/internal/export");
  assert.equal(exported.headers["content-type"], "application/x-ndjson");
  const lines = exported.body
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ key }) => key),
    ["consumer/orders/orders", "parked/orders/orders/1", "consumer/users/users", undefined],
  );
  assert.deepEqual(lines.at(-1), { items: 3 });

  shop.documents.clear();
  const sidecar = shop.sidecar;
  const importer = newImporter({ sidecar, appToken: TOKENS.app, logger: pino({ level: "silent" }) });
  const headers = { "dapr-api-token": TOKENS.app, "content-type": "application/x-ndjson" };
  const send = (payload: string) => importer.inject({ method: "POST", url: "/internal/import", headers, payload });
  for (let n = 0; n < 2; n++) {
    const answer = await send(exported.body);
    assert.deepEqual([answer.statusCode, answer.json()], [200, { items: 3 }]);
    assert.equal(shop.documents.size, 3);
  }
  const item = '{"key":"k","value":1}\n';
  const before = new Map(shop.documents);
  for (const [payload, status, name, said] of [
    [exported.body.replace('"p":2', '"p":3'), 409, "already-there", '"key":"consumer/orders/orders"'],
    [`${item}{"key":"k","value":2}\n{"items":2}\n`, 409, "already-there", '"key":"k"'],
    [item, 400, "malformed-request", "whole"],
    [`${item}{"items":2}\n`, 400, "malformed-request", "whole"],
    [`${item}{"items":`, 400, "malformed-request", "whole"],
    ["", 400, "malformed-request", "whole"],
    [`${item}no\n{"items":2}\n`, 422, "invalid-request", "line 2: is not JSON"],
    [`{"value":1}\n{"items":1}\n`, 422, "invalid-request", "line 1: has no key"],
    [`{"key":"a||b","value":1}\n{"items":1}\n`, 422, "invalid-request", "line 1: has no key"],
    [`{"key":"k"}\n{"items":1}\n`, 422, "invalid-request", "line 1: has no value"],
    [`{"key":"k","value":1,"ttl":-1}\n{"items":1}\n`, 422, "invalid-request", "line 1: has no valid ttl"],
    ["x".repeat((4 << 20) + 1), 413, "body-too-large", "large"],
  ] as const) {
    const answer = await send(payload);
    assert.deepEqual([answer.statusCode, problem(answer)], [status, name], payload.slice(0, 100));
    assert.ok(answer.body.includes(said), answer.body);
    assert.deepEqual(shop.documents, before);
  }
  assert.equal(
    (await importer.inject({ url: "/internal/consumers", headers })).statusCode,
    404,
    "it does nothing else",
  );
  await markUsed(sidecar);
  await markUsed(sidecar);
  const used = await send(exported.body);
  assert.deepEqual([used.statusCode, problem(used)], [409, "not-empty"]);
});

test("the description has what the shop's contract asks for", async () => {
  const { paths } = (await call("GET", "/openapi.json")).json();
  for (const path of ["/internal/consumers", "/internal/export", "/api/v1/dead-letters/{app}/{id}/replay"])
    assert.ok(paths[path], path);
});

test("a wrong setting is named", () => {
  const env = { APP_PORT: "1", APP_API_TOKEN: "t", SHOP_URL: "http://localhost:8080/" };
  assert.equal(readConfig(env).shop, "http://localhost:8080");
  for (const [changes, said] of [
    [{ SHOP_URL: "" }, "SHOP_URL is not set: set it to the public address of the shop, such as https://shop.example"],
    [{ SHOP_URL: "http://shop.test" }, 'SHOP_URL: "http://shop.test" is not https: set it'],
    [{ SHOP_URL: "https://u:p@shop.test" }, "SHOP_URL: the URL contains a user: set it"],
    [{ SHOP_URL: "https://shop.test?x" }, "has a query or a fragment"],
    [{ SHOP_URL: "shop.test" }, "is not an absolute"],
    [{ APP_API_TOKEN: "" }, "APP_API_TOKEN is not set"],
    [{ APP_PORT: "x" }, "APP_PORT is not a port"],
    [{ MAIL: "pigeon" }, 'MAIL is "pigeon": expected files or smtp'],
    [{ MOVE_IN: "yes" }, "expected off or on"],
  ] as const) {
    assert.throws(
      () => readConfig({ ...env, ...changes }),
      (e: Error) => e.message.includes(said),
      said,
    );
  }
  for (const SHOP_URL of ["https://shop.test", "http://127.0.0.1:1", "http://[::1]:8080"])
    readConfig({ ...env, SHOP_URL });
});
