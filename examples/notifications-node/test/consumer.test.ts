import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Shop, deliver, order } from "./shop.js";

let shop: Shop;
before(async () => {
  shop = await Shop.open();
});
after(() => shop.close());
beforeEach(() => {
  shop.documents.clear();
  shop.contacts.clear();
  for (const list of [shop.bound, shop.calls, shop.log, shop.feeds.orders!, shop.feeds.users!]) list.length = 0;
  [shop.down, shop.refusal] = [() => false, undefined];
});

const stored = (part: string) => [...shop.documents.keys()].filter((key) => key.startsWith(part));
const buyers = (n: number) => Array.from({ length: n }, (_, i) => shop.confirm({}, { email: `buyer${i}@example.com` }));
const sent = () => shop.bound.map((mail) => /To: buyer(\d+)@/.exec(mail.data)![1]).map(Number);
const orders = async (app: Parameters<typeof deliver>[0]) => {
  const headers = { "dapr-api-token": "token-of-the-sidecar" };
  const { cursors } = (await app.inject({ url: "/internal/consumers", headers })).json();
  return cursors.find((c: { source: string }) => c.source === "orders");
};

test("missing events are read from the feed, and late ones are ignored", async () => {
  const { app } = shop.start();
  const events = buyers(10);
  assert.deepEqual(await deliver(app, "orders", events[8]), ["SUCCESS"]);
  assert.deepEqual(sent().sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(
    shop.calls.filter((call) => call.startsWith("feed")),
    ["feed orders 1 8"],
  );
  const late = await deliver(app, "orders", ...[3, 1, 8, 0].map((i) => events[i]));
  assert.deepEqual(late, ["SUCCESS", "SUCCESS", "SUCCESS", "SUCCESS"]);
  assert.equal(shop.bound.length, 9);
  assert.deepEqual(await orders(app), {
    source: "orders",
    partition: "orders",
    position: 9,
    applied: 9,
    parked: 0,
    head: 0,
  });
});

test("messages of one delivery are handled in their order, with gaps and repetitions among them", async () => {
  const { app } = shop.start();
  const events = buyers(8);
  events.splice(3, 0, shop.publish("order.placed", { whatever: true })); // ignored
  const statuses = await deliver(app, "orders", ...[7, 0, 5, 0, 4].map((i) => events[i]));
  assert.ok(
    statuses.every((status) => status === "SUCCESS"),
    statuses.join(),
  );
  assert.deepEqual(sent().sort(), [0, 1, 2, 3, 4, 5, 6]);
});

test("an event waits while the feed does not have those before it", async () => {
  const { app } = shop.start();
  const [first, second] = buyers(2);
  shop.feeds.orders = [];
  assert.deepEqual(await deliver(app, "orders", second), ["RETRY"]);
  assert.equal(shop.bound.length, 0);
  shop.feeds.orders = [first!, second!];
  assert.deepEqual(await deliver(app, "orders", second), ["SUCCESS"]);
  assert.equal(shop.bound.length, 2);
});

test("feeds are read at the start, and a clean end stores the cursors", async () => {
  const { notifications } = shop.start();
  buyers(5);
  const stop = new AbortController();
  const running = notifications.consumer.run(stop.signal);
  while (shop.bound.length < 5) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort();
  await running;
  const { value } = shop.documents.get("consumer/orders/orders")!;
  assert.deepEqual(value, { p: 5, a: 5, k: 0 });
});

test("the documents are those of the shop's own service, which can take over", async () => {
  shop.documents.set("consumer", { value: [{ source: "orders", partition: "orders" }], etag: "1" });
  shop.documents.set("consumer/orders/orders", { value: { p: 2, a: 1, k: 1 }, etag: "1" });
  const at = "2026-03-01T12:30:00.123456789Z";
  const parked = { event: buyers(1)[0], reason: "broken", at, tries: 3 };
  shop.documents.set("parked/orders/orders/1", { value: parked, etag: "1" });
  shop.documents.set("mailbox/digest-of-buyer1-example.com", { value: { wholeAt: at }, etag: "1" });
  const { app, notifications } = shop.start();
  shop.feeds.orders!.length = 2;
  await deliver(app, "orders", shop.confirm({}, { email: "buyer1@example.com" }));
  assert.deepEqual(sent(), [1]);
  const { list } = await notifications.consumer.deadLetters(undefined, 10);
  assert.deepEqual(
    list.map(({ id, tries }) => [id, tries]),
    [["orders:orders:1", 3]],
  );
  await notifications.consumer.replay("orders:orders:1");
  assert.deepEqual(shop.documents.get("consumer/orders/orders")!.value, { p: 3, a: 2, k: 1, r: 1 });
});

test("poison becomes a dead letter, and the log goes on", async () => {
  const { app, notifications } = shop.start();
  const bad = [
    order({ lines: [] }),
    order({ number: "" }),
    order({ total: { amount: 1, currency: "XYZ" } }),
    [1],
    7,
    null,
    { ...order(), total: { amount: "many", currency: "EUR" } },
  ];
  const events = [
    ...bad.map((data) => shop.publish("order.confirmed", data)),
    shop.publish("order.confirmed", order(), { version: 2 }),
  ];
  const good = buyers(1);
  const statuses = await deliver(app, "orders", ...events, ...good);
  assert.ok(statuses.every((status) => status === "SUCCESS"));
  assert.deepEqual(sent(), [0]);
  assert.deepEqual(await orders(app), {
    source: "orders",
    partition: "orders",
    position: 9,
    applied: 1,
    parked: 8,
    head: 0,
  });
  const { list } = await notifications.consumer.deadLetters(undefined, 100);
  const reasons = list.map(({ reason }) => reason);
  assert.ok(reasons.includes("the data of the event is invalid: /total/amount must be integer"), reasons.join());
  assert.ok(reasons.includes("the data has version 2, and this app knows version 1"));
  for (const data of [{ userId: "u1" }, { mailId: "m1" }, { userId: "u1", mailId: "../x" }, 7]) {
    assert.deepEqual(await deliver(app, "users", shop.publish("user.password-reset-asked", data)), ["SUCCESS"]);
  }
  assert.equal(stored("parked/users/").length, 4);
});

test("an event that fails waits, and becomes a dead letter when the broker gives up", async () => {
  const { app } = shop.start();
  const [event, next] = buyers(2);
  shop.down = (path) => path.includes("/contacts");
  assert.deepEqual(await deliver(app, "orders", event, next), ["RETRY", "RETRY"]);
  assert.deepEqual(stored("parked/"), []);
  assert.deepEqual(await deliver(app, "notifications-dead", event), ["SUCCESS"]);
  assert.deepEqual(stored("parked/"), ["parked/orders/orders/1"]);
  shop.down = () => false;
  assert.deepEqual(await deliver(app, "orders", next), ["SUCCESS"]);
  assert.deepEqual(sent(), [1]);
});

test("the events of an unreachable store wait, and are no dead letters", async () => {
  const { app } = shop.start();
  const event = buyers(1)[0];
  shop.down = (path) => path.includes("/state/");
  assert.deepEqual(await deliver(app, "notifications-dead", event, { id: "no event" }), ["RETRY", "RETRY"]);
  shop.down = () => false;
  assert.deepEqual(stored(""), []);
  assert.deepEqual(await deliver(app, "orders", event), ["SUCCESS"]);
});

for (const data of [
  undefined,
  "text",
  { type: "order.confirmed" },
  { id: "", type: "t", source: "s" },
  { id: "x", type: "t", source: "s", position: -1 },
  { id: "x", type: "t", source: "s".repeat(1001) },
]) {
  test(`what is no event becomes a dead letter of no log: ${JSON.stringify(data)?.slice(0, 40)}`, async () => {
    const { app, notifications } = shop.start();
    assert.deepEqual(await deliver(app, "users", data), ["SUCCESS"]);
    const { list } = await notifications.consumer.deadLetters(undefined, 10);
    assert.deepEqual(
      list.map(({ id, reason }) => [id, reason]),
      [["unknown::1", "the delivery is not an event"]],
    );
    await assert.rejects(notifications.consumer.replay("unknown::1"), /not be handled this time either/);
  });
}

test("large data is shortened, so that a store takes the dead letter", async () => {
  const { app } = shop.start();
  await deliver(app, "orders", shop.publish("order.confirmed", { text: "x".repeat(2 << 20) }));
  const text = JSON.stringify(shop.documents.get("parked/orders/orders/1"));
  assert.ok(text.length < 15_000 && text.includes("only the beginning"));
});

test("replicas write the same cursor", async () => {
  const replicas = [shop.start().app, shop.start().app, shop.start().app];
  const events = buyers(20);
  await Promise.all(replicas.map((app) => deliver(app, "orders", ...events)));
  assert.deepEqual(shop.documents.get("consumer/orders/orders")!.value, { p: 20, a: 20, k: 0 });
  assert.equal(new Set(shop.bound.map((mail) => mail.metadata.fileName)).size, 20);
});
