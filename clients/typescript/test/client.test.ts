import assert from "node:assert/strict";
import { test } from "node:test";

import { isProblem, ok, Problem, Shop, type ShopOptions } from "../src/index.js";

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
}

function problem(status: number, name: string, more: object = {}, headers: Record<string, string> = {}): Response {
  const body = { type: `https://haberdash.dev/problems/${name}`, title: "No", status, detail: "No.", ...more };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/problem+json", ...headers },
  });
}

/** Returns a client whose requests handle answers. It does not wait between attempts, and records the pauses. */
function newShop(handle: (request: Request) => Response | Promise<Response>, more: Partial<ShopOptions> = {}) {
  const pauses: number[] = [];
  const shop = new Shop({
    baseUrl: "http://shop.test/",
    fetch: async (request) => handle(request),
    sleep: async (ms) => void pauses.push(ms),
    ...more,
  });
  return { shop, pauses };
}

const placement = {
  cartId: "c1",
  email: "ada@example.test",
  shippingAddress: { name: "Ada", line1: "Street 1", city: "Berlin", postalCode: "10117", country: "DE" },
  payment: { method: "card" as const, token: "tok_visa" },
};

test("a request carries parameters and body, and the answer has the ETag", async () => {
  const { shop } = newShop(async (request) => {
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

test("ok throws problems", async () => {
  const lines = [{ sku: "MUG", available: 1 }];
  const errors = [{ location: "body.lines[0]", message: "too many" }];
  const { shop } = newShop(() => problem(409, "out-of-stock", { lines, errors }));
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

test("ok throws a problem for an error page of a proxy", async () => {
  const { shop } = newShop(() => new Response("<html>", { status: 502 }));
  await assert.rejects(ok(shop.api.GET("/api/v1/me")), (thrown: unknown) => {
    assert.ok(thrown instanceof Problem);
    assert.equal(thrown.name, "none");
    assert.equal(thrown.message, "<html>");
    return true;
  });
});

test("the answer to a 304 has no value", async () => {
  const { shop } = newShop(() => new Response(null, { status: 304 }));
  const answer = await ok(shop.api.GET("/api/v1/me", { params: { header: { "If-None-Match": '"1"' } } }));
  assert.equal(answer.status, 304);
  assert.equal(answer.value, undefined);
});

test("all attempts have the same idempotency key and body", async () => {
  const sent: string[] = [];
  const { shop, pauses } = newShop(async (request) => {
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
  const params = { header: { "Idempotency-Key": "k" } };
  const order = await ok(shop.api.POST("/api/v1/orders", { params, body: placement }));
  assert.equal(order.replayed, true);
  assert.equal(sent.length, 3);
  assert.deepEqual(new Set(sent), new Set(["k " + JSON.stringify(placement)]));
  assert.deepEqual(pauses, [200, 2000]);
});

test("requests that are not safe to repeat are sent once", async () => {
  let calls = 0;
  const { shop } = newShop(() => {
    calls++;
    return problem(503, "unavailable");
  });
  await assert.rejects(ok(shop.api.POST("/api/v1/carts", { body: {} })), (thrown) => isProblem(thrown, "unavailable"));
  assert.equal(calls, 1);
  await assert.rejects(ok(shop.api.GET("/api/v1/products")), (thrown) => isProblem(thrown, "unavailable"));
  assert.equal(calls, 4);
});

/** A server that accepts each refresh token once, as the users service does, and only the newest access token. */
function newAuthServer(expiresIn: number) {
  const state = { refreshes: 0 };
  const signedIn = () => {
    const n = state.refreshes;
    return json(200, { accessToken: `a${n}`, refreshToken: `r${n}`, expiresIn, user: { id: "u1" } });
  };
  const handle = async (request: Request) => {
    if (request.url.endsWith("/login")) {
      return signedIn();
    }
    if (request.url.endsWith("/refresh")) {
      const { refreshToken } = (await request.json()) as { refreshToken: string };
      if (refreshToken !== `r${state.refreshes}`) {
        return problem(401, "token-reused");
      }
      state.refreshes++;
      return signedIn();
    }
    const valid = state.refreshes > 0 && request.headers.get("Authorization") === `Bearer a${state.refreshes}`;
    return valid ? json(200, { id: "u1" }) : problem(401, "invalid-token");
  };
  return { state, handle };
}

test("concurrent requests refresh a refused token once", async () => {
  const { state, handle } = newAuthServer(600);
  const { shop } = newShop(handle);
  await shop.signIn("ada@example.test", "secret");
  await Promise.all(Array.from({ length: 20 }, () => ok(shop.api.GET("/api/v1/me"))));
  assert.equal(state.refreshes, 1);
});

test("a token is refreshed before it expires, and onTokens gets the new tokens", async () => {
  const { state, handle } = newAuthServer(20);
  const saved: (string | undefined)[] = [];
  const { shop } = newShop(handle, {
    tokens: { access: "a0", refresh: "r0", expiresAt: Date.now() + 1000 },
    onTokens: (tokens) => saved.push(tokens?.refresh),
  });
  await ok(shop.api.GET("/api/v1/me"));
  assert.equal(state.refreshes, 1);
  assert.deepEqual(saved, ["r1"]);
});

test("a request of an ended session throws a problem and is not repeated", async () => {
  const { handle } = newAuthServer(600);
  const tokens = { access: "old", refresh: "stolen", expiresAt: Date.now() + 600_000 };
  const { shop, pauses } = newShop(handle, { tokens });
  await assert.rejects(ok(shop.api.GET("/api/v1/me")), (thrown) => isProblem(thrown, "token-reused"));
  assert.deepEqual(pauses, []);
});
