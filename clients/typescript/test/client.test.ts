import assert from "node:assert/strict";
import { test } from "node:test";

import { isProblem, ok, Problem, Shop, type ShopOptions } from "../src/index.js";

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
}

function problem(status: number, name: string, more: object = {}, headers: Record<string, string> = {}): Response {
  const body = { type: `https://haberdash.dev/problems/${name}`, title: "No", status, detail: "No.", ...more };
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/problem+json", ...headers } });
}

/** A shop that answers with handle, and does not wait between attempts; waited has what it would have. */
function double(handle: (request: Request) => Response | Promise<Response>, more: Partial<ShopOptions> = {}) {
  const waited: number[] = [];
  const shop = new Shop({
    baseUrl: "http://shop.test/",
    fetch: async (request) => handle(request),
    sleep: async (ms) => void waited.push(ms),
    ...more,
  });
  return { shop, waited };
}

const placement = {
  cartId: "c1",
  email: "ada@example.test",
  shippingAddress: { name: "Ada", line1: "Street 1", city: "Berlin", postalCode: "10117", country: "DE" },
  payment: { method: "card" as const, token: "tok_visa" },
};

test("parameters, body and ETag", async () => {
  const { shop } = double(async (request) => {
    assert.equal(request.url, "http://shop.test/api/v1/carts/a%2Fb/items/S%20KU");
    assert.equal(request.headers.get("If-Match"), '"3"');
    assert.equal(request.headers.get("Authorization"), null);
    assert.deepEqual(await request.json(), { quantity: 2 });
    return json(200, { id: "a/b", version: 4 }, { ETag: '"4"' });
  });
  const cart = await ok(
    shop.api.PUT("/api/v1/carts/{id}/items/{sku}", {
      params: { path: { id: "a/b", sku: "S KU" }, header: { "If-Match": '"3"' } },
      body: { quantity: 2 },
    }),
  );
  assert.equal(cart.etag, '"4"');
  assert.equal(cart.value.version, 4);
});

test("problems are thrown", async () => {
  const lines = [{ sku: "MUG", available: 1 }];
  const { shop } = double(() => problem(409, "out-of-stock", { lines, errors: [{ location: "body.lines[0]", message: "too many" }] }));
  await assert.rejects(ok(shop.api.GET("/api/v1/me")), (thrown: unknown) => {
    assert.ok(!isProblem(thrown, "price-changed"));
    assert.ok(isProblem(thrown, "out-of-stock"));
    assert.equal(thrown.status, 409);
    assert.equal(thrown.message, "No.");
    assert.deepEqual(thrown.members["lines"], lines);
    assert.equal(thrown.errors[0]?.location, "body.lines[0]");
    return true;
  });
});

test("an error that is no problem document is thrown as one", async () => {
  const { shop } = double(() => new Response("<html>", { status: 502 }));
  await assert.rejects(ok(shop.api.GET("/api/v1/me")), (thrown: unknown) => {
    assert.ok(thrown instanceof Problem);
    assert.equal(thrown.name, "none");
    assert.equal(thrown.message, "<html>");
    return true;
  });
});

test("what has not changed has no value", async () => {
  const { shop } = double(() => new Response(null, { status: 304 }));
  const answer = await ok(shop.api.GET("/api/v1/me", { params: { header: { "If-None-Match": '"1"' } } }));
  assert.equal(answer.status, 304);
  assert.equal(answer.value, undefined);
});

test("one key and one body in all attempts", async () => {
  const sent: string[] = [];
  const { shop, waited } = double(async (request) => {
    sent.push(request.headers.get("Idempotency-Key") + " " + (await request.text()));
    switch (sent.length) {
      case 1:
        throw new TypeError("fetch failed");
      case 2:
        return problem(409, "request-in-progress", {}, { "Retry-After": "2" });
      default:
        return json(201, { id: "o1" }, { "Idempotent-Replayed": "true" });
    }
  });
  const order = await ok(shop.api.POST("/api/v1/orders", { params: { header: { "Idempotency-Key": "k" } }, body: placement }));
  assert.equal(order.replayed, true);
  assert.equal(sent.length, 3);
  assert.deepEqual(new Set(sent), new Set(["k " + JSON.stringify(placement)]));
  assert.deepEqual(waited, [200, 2000]);
});

test("what may not be repeated is not", async () => {
  let calls = 0;
  const { shop } = double(() => {
    calls++;
    return problem(503, "unavailable");
  });
  await assert.rejects(ok(shop.api.POST("/api/v1/carts", { body: {} })), (thrown) => isProblem(thrown, "unavailable"));
  assert.equal(calls, 1);
  await assert.rejects(ok(shop.api.GET("/api/v1/products")), (thrown) => isProblem(thrown, "unavailable"));
  assert.equal(calls, 4);
});

/** Refresh tokens serve once each, as in the shop; all access tokens but the newest are refused. */
function accounts(expiresIn: number) {
  const state = { exchanges: 0 };
  const signedIn = () => json(200, { accessToken: `a${state.exchanges}`, refreshToken: `r${state.exchanges}`, expiresIn, user: { id: "u1" } });
  const handle = async (request: Request) => {
    if (request.url.endsWith("/login")) {
      return signedIn();
    }
    if (request.url.endsWith("/refresh")) {
      const { refreshToken } = (await request.json()) as { refreshToken: string };
      if (refreshToken !== `r${state.exchanges}`) {
        return problem(401, "token-reused");
      }
      state.exchanges++;
      return signedIn();
    }
    const good = state.exchanges > 0 && request.headers.get("Authorization") === `Bearer a${state.exchanges}`;
    return good ? json(200, { id: "u1" }) : problem(401, "invalid-token");
  };
  return { state, handle };
}

test("a refused token is exchanged once for all", async () => {
  const { state, handle } = accounts(600);
  const { shop } = double(handle);
  await shop.signIn("ada@example.test", "secret");
  await Promise.all(Array.from({ length: 20 }, () => ok(shop.api.GET("/api/v1/me"))));
  assert.equal(state.exchanges, 1);
});

test("a token that is about to expire is exchanged before, and the new ones are told", async () => {
  const { state, handle } = accounts(20);
  const kept: (string | undefined)[] = [];
  const { shop } = double(handle, {
    tokens: { access: "a0", refresh: "r0", expiresAt: Date.now() + 1000 },
    onTokens: (tokens) => kept.push(tokens?.refresh),
  });
  await ok(shop.api.GET("/api/v1/me"));
  assert.equal(state.exchanges, 1);
  assert.deepEqual(kept, ["r1"]);
});

test("a session that is over is a problem, and not tried again", async () => {
  const { handle } = accounts(600);
  const { shop, waited } = double(handle, { tokens: { access: "old", refresh: "stolen", expiresAt: Date.now() + 600_000 } });
  await assert.rejects(ok(shop.api.GET("/api/v1/me")), (thrown) => isProblem(thrown, "token-reused"));
  assert.deepEqual(waited, []);
});
