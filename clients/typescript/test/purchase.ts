// Buys from a running shop: SHOP=<address of the gateway> node dist-test/test/purchase.js. tests/typescript runs it.
import assert from "node:assert/strict";

import { isProblem, newKey, ok, Shop, type Schemas } from "../src/index.js";

const baseUrl = process.env["SHOP"];
assert.ok(baseUrl, "SHOP must be the address of a running shop");
const guest = new Shop({ baseUrl });
const ada = new Shop({ baseUrl });

const email = `${newKey()}@example.test`;
const password = newKey();
await ok(guest.api.POST("/api/v1/auth/register", { body: { email, password, name: "Ada Byron" } }));
await assert.rejects(ada.signIn(email, "wrong" + password), (thrown) => isProblem(thrown, "invalid-credentials"));
assert.equal((await ada.signIn(email, password)).email, email);

const found = await ok(guest.api.GET("/api/v1/products", { params: { query: { q: "beret", inStock: true } } }));
const handle = found.value.items[0]?.handle;
assert.ok(handle, "the demo catalogue has a beret");
const product = await ok(guest.api.GET("/api/v1/products/{idOrHandle}", { params: { path: { idOrHandle: handle } } }));
const sku = product.value.variants[0]?.sku;
assert.ok(sku);

const cart = await ok(ada.api.POST("/api/v1/carts", { body: {} }));
const params = { path: { id: cart.value.id, sku }, header: { "If-Match": cart.etag! } };
const full = await ok(
  ada.api.PUT("/api/v1/carts/{id}/items/{sku}", { params, body: { quantity: 1 } }),
);
await assert.rejects(
  ok(ada.api.PUT("/api/v1/carts/{id}/items/{sku}", { params, body: { quantity: 2 } })),
  (thrown) => isProblem(thrown, "precondition-failed"),
);

const placement: Schemas["Placement"] = {
  cartId: cart.value.id,
  email,
  shippingAddress: {
    name: "Ada Byron",
    line1: "Unter den Linden 1",
    city: "Berlin",
    postalCode: "10117",
    country: "DE",
  },
  payment: { method: "card", token: "tok_visa" },
};
const header = { "Idempotency-Key": newKey() };
const order = await ok(ada.api.POST("/api/v1/orders", { params: { header }, body: placement }));
assert.equal(order.value.status, "confirmed");
assert.deepEqual(order.value.subtotal, full.value.subtotal);
const again = await ok(ada.api.POST("/api/v1/orders", { params: { header }, body: placement }));
assert.ok(again.replayed);
assert.equal(again.value.id, order.value.id);

const path = { id: order.value.id };
const read = await ok(ada.api.GET("/api/v1/orders/{id}", { params: { path } }));
assert.equal(read.value.number, order.value.number);
await assert.rejects(
  ok(guest.api.GET("/api/v1/orders/{id}", { params: { path } })),
  (thrown) => isProblem(thrown, "not-found"),
);
const cancelled = await ok(
  ada.api.POST("/api/v1/orders/{id}/cancel", { params: { path }, body: { reason: "changed my mind" } }),
);
assert.equal(cancelled.value.status, "cancelled");

await ada.signOut();
await assert.rejects(ok(ada.api.GET("/api/v1/me")), (thrown) => isProblem(thrown, "unauthenticated"));
console.log(`bought and cancelled ${order.value.number}`);
