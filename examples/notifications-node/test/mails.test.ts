import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
import PostalMime, { type Email } from "postal-mime";
import { MAILS, EVERY } from "../src/allowance.js";
import { AT, Shop, deliver, order, zoe } from "./shop.js";

let shop: Shop;
before(async () => {
  shop = await Shop.open();
});
after(() => shop.close());
beforeEach(() => {
  shop.documents.clear();
  shop.contacts.clear();
  for (const list of [shop.bound, shop.calls, shop.log, shop.feeds.orders!, shop.feeds.users!]) list.length = 0;
  [shop.now, shop.down, shop.refusal] = [Date.parse(AT), () => false, undefined];
});

const stored = (part: string) => [...shop.documents.keys()].filter((key) => key.startsWith(part));

/** The parts of a mail that its reader sees, with entities of HTML in one form. */
function seen({ subject, from, to, date, messageId, text, html, headers }: Email): object {
  const codes: Record<string, string> = { "#39": "'", "#34": '"', quot: '"', "#43": "+" };
  const decoded = html!.replace(/&(#39|#34|quot|#43);/g, (_, code) => codes[code]!);
  const of = (name: string) => headers.find(({ key }) => key === name)?.value;
  const automatic = [of("auto-submitted"), of("x-auto-response-suppress")];
  return { subject, from, to, date, messageId, text: text!.trim(), html: decoded.trim(), automatic };
}

// The files are those of the shop's own notifications.
for (const [name, type, data] of [
  ["order", "order.confirmed", order()],
  ["verify", "user.verification-requested", { userId: "u1", mailId: "m1" }],
  ["reset", "user.password-reset-asked", { userId: "u1", mailId: "m1" }],
  ["change", "user.email-change-asked", { userId: "u1", mailId: "m1" }],
  ["changed", "user.email-changed", { userId: "u1", mailId: "m1" }],
  ["added", "user.second-factor-added", { userId: "u1", mailId: "m1" }],
  ["removed", "user.second-factor-removed", { userId: "u1", mailId: "m1" }],
  ["repeated", "user.registration-repeated", { userId: "u1", mailId: "m1" }],
] as const) {
  test(`${type} causes the mail of the shop`, async () => {
    const wanted = await PostalMime.parse(readFileSync(new URL(`../../test/mails/${name}.eml`, import.meta.url)));
    const digests = {
      order: "orders/0/12/1",
      verify: "users/0/3/0",
      reset: "users/0/4/0",
      change: "users/0/5/0",
      changed: "users/0/6/0",
      added: "users/0/7/0",
      removed: "users/0/8/0",
      repeated: "users/0/9/0",
    };
    const event = { id: digests[name], type, source: "users", at: AT, data };
    const { app } = shop.start();
    assert.deepEqual(await deliver(app, "users", event), ["SUCCESS"]);
    const [mail] = shop.bound;
    const got = await PostalMime.parse(mail!.data);
    assert.deepEqual(seen(got), seen(wanted));
    const messageId = /^<([0-9a-f]{8})/.exec(wanted.messageId!)![1];
    assert.equal(mail!.metadata.fileName, `20260301T123000Z-${event.id.replaceAll("/", "-")}-${messageId}.eml`);
    assert.deepEqual(stored("mailed/"), [`mailed/${mail!.metadata.fileName}`]);
    for (const line of mail!.data.split("\r\n")) assert.ok(line.length <= 78 && !line.includes("\n"), line);
    const log = shop.log.join("");
    for (const word of ["example.com", "Zoë", "Ann", "token", "Hauptstr", "ord_7"])
      assert.ok(!log.includes(word), word);
    assert.ok(log.includes(event.id));
  });
}

describe("orders", () => {
  test("a customer's order has no token", async () => {
    const { app } = shop.start();
    await deliver(app, "orders", shop.confirm({ customer: "u1" }));
    assert.ok(!shop.bound[0]!.data.includes("guest-secret-token"));
  });

  test("repeated deliveries send one mail, and the recipients of a batch are read with one call", async () => {
    const { app } = shop.start();
    const events = Array.from({ length: 20 }, (_, i) => shop.confirm({}, { email: `buyer${i}@example.com` }));
    const all = [...events, ...events];
    const answers = await Promise.all([deliver(app, "orders", ...all), deliver(app, "orders", ...all)]);
    assert.ok(answers.flat().every((status) => status === "SUCCESS"));
    await deliver(shop.start().app, "orders", ...events); // after a restart
    assert.equal(shop.bound.length, 20);
    assert.equal(new Set(shop.bound.map((mail) => mail.metadata.fileName)).size, 20);
    assert.deepEqual(shop.calls, ["contacts"]);
  });

  test("a mail is sent again until it is sent, and not once more when it cannot be marked", async () => {
    const { app } = shop.start();
    const event = shop.confirm();
    shop.down = (path) => path.endsWith("/bulk");
    assert.deepEqual(await deliver(app, "orders", event), ["RETRY"]);
    shop.down = () => false;
    shop.refusal = () => "dial tcp: connection refused for zoe@example.com";
    assert.deepEqual(await deliver(app, "orders", event), ["RETRY"]);
    shop.refusal = undefined;
    shop.down = (path) => path === "/v1.0/state/state";
    assert.deepEqual(await deliver(app, "orders", event), ["SUCCESS"], "another delivery would send the mail again");
    shop.down = () => false;
    assert.deepEqual(await deliver(app, "orders", event), ["SUCCESS"]);
    assert.equal(shop.bound.length, 1);
    assert.ok(!shop.log.join("").includes("zoe@"));
  });

  test("a batch that fails sends no mail twice", async () => {
    const { app } = shop.start();
    const events = Array.from({ length: 20 }, (_, i) => shop.confirm({}, { email: `buyer${i}@example.com` }));
    let attempts = 0;
    shop.refusal = () => (++attempts > 10 ? "down" : undefined);
    assert.ok((await deliver(app, "orders", ...events)).includes("RETRY"));
    assert.equal(shop.bound.length, 10);
    shop.refusal = undefined;
    for (let n = 0; n < 2; n++) {
      assert.ok(!(await deliver(app, "orders", ...events)).includes("RETRY"));
      assert.equal(shop.bound.length, 20);
    }
  });

  test("deleted customers get no mail", async () => {
    const { app } = shop.start();
    const events = [{ erased: true }, {}, { erased: true }].map((contact) => shop.confirm({}, contact));
    await deliver(app, "orders", ...events);
    assert.equal(shop.bound.length, 1);
    assert.deepEqual(stored("parked/"), []);
  });

  test("mails to one mailbox are bounded, others get theirs", async () => {
    const victims = (n: number) => Array.from({ length: n }, () => shop.confirm({}, { email: "victim@example.com" }));
    const batch = victims(4);
    for (const event of batch) await deliver(shop.start().app, "orders", event);
    const { app } = shop.start(); // a restart, or another replica
    const more = victims(30);
    await deliver(app, "orders", ...more);
    assert.equal(shop.bound.length, MAILS);
    assert.equal(shop.log.filter((line) => line.includes("mail dropped")).length, 24);
    assert.deepEqual(stored("parked/"), []);
    for (const [key, { value }] of shop.documents) assert.ok(!(key + JSON.stringify(value)).includes("victim@"));
    await deliver(app, "orders", shop.confirm({}, { email: "other@example.com" }));
    assert.equal(shop.bound.length, MAILS + 1);
    shop.now += EVERY;
    await deliver(app, "orders", ...victims(3));
    assert.equal(shop.bound.length, MAILS + 2, "one more after an hour");
  });

  test("failed attempts use up no allowance", async () => {
    const { app } = shop.start();
    const events = Array.from({ length: MAILS }, () => shop.confirm());
    shop.refusal = () => "down";
    for (let n = 0; n < 5; n++) await deliver(app, "orders", ...events);
    shop.refusal = undefined;
    await deliver(app, "orders", ...events);
    assert.equal(shop.bound.length, MAILS);
  });

  test("replicas count together", async () => {
    const [one, two] = [shop.start().app, shop.start().app];
    const loose = () => ({ ...shop.confirm(), position: 0 }); // which two replicas handle at once
    for (let n = 0; n < 10; n++) await Promise.all([deliver(one, "orders", loose()), deliver(two, "orders", loose())]);
    assert.ok(shop.bound.length <= MAILS + 1, `${shop.bound.length}`);
    const [key] = stored("mailbox/");
    const { wholeAt } = shop.documents.get(key!)!.value as { wholeAt: string };
    assert.equal(Date.parse(wholeAt), shop.now + shop.bound.length * EVERY);
  });

  for (const [kind, address] of [
    ["smtp", "unknown@example.com"],
    ["files", "a@[127.0.0.1]"],
  ] as const) {
    test(`a mail that can never be sent stops no other (${kind})`, async () => {
      const { app } = shop.start(kind);
      shop.refusal = (mail) =>
        mail.metadata.emailTo === address
          ? `gomail: could not send email 1: 550 5.1.1 <${address}> unknown`
          : undefined;
      const to = [...Array.from({ length: 4 }, (_, i) => `buyer${i}@example.com`), address, "last@example.com"];
      const statuses = await deliver(app, "orders", ...to.map((email) => shop.confirm({}, { email })));
      assert.ok(!statuses.includes("RETRY"));
      assert.equal(shop.bound.length, 5);
      const [letter] = stored("parked/");
      assert.equal(letter, "parked/orders/orders/1");
      assert.ok(
        !(JSON.stringify(shop.documents.get(letter!)) + shop.log.join("")).includes(address.split("@")[0] + "@"),
      );
    });
  }

  test("smtp gets HTML and one recipient, and a temporary refusal is no dead letter", async () => {
    const { app } = shop.start("smtp");
    const event = shop.confirm({ number: "H-1\r\nBcc: x@y.test" });
    shop.refusal = () => "gomail: could not send email 1: 450 4.2.0 greylisted, see 550 ";
    assert.deepEqual(await deliver(app, "orders", event), ["RETRY"]);
    shop.refusal = undefined;
    await deliver(app, "orders", event);
    const { data, metadata } = shop.bound[0]!;
    assert.ok(data.startsWith("<!DOCTYPE html>"));
    assert.deepEqual(metadata, {
      emailFrom: '"Haberdash" <shop@haberdash.test>',
      emailTo: zoe.email,
      subject: "Your order H-1 Bcc: x y test",
    });
  });
});

test("a mail that is not needed any more is skipped, and one whose app does not answer is tried again", async () => {
  const { app } = shop.start();
  assert.deepEqual(
    await deliver(app, "users", shop.publish("user.password-reset-asked", { userId: "u1", mailId: "m2" })),
    ["SUCCESS"],
  );
  assert.deepEqual([shop.bound, stored("parked/")], [[], []]);
  const needed = shop.publish("user.password-reset-asked", { userId: "u1", mailId: "m1" });
  shop.down = (path) => path.includes("/internal/mails/");
  assert.deepEqual(await deliver(app, "users", needed), ["RETRY"]);
  shop.down = () => false;
  assert.deepEqual(await deliver(app, "users", needed), ["SUCCESS"]);
  assert.equal(shop.bound.length, 1);
});

test("the dead letters of a deleted user are discarded", async () => {
  const { app, notifications } = shop.start();
  await deliver(
    app,
    "orders",
    shop.confirm({ customer: "u1", number: "" }),
    shop.confirm({ customer: "u2", number: "" }),
  );
  assert.equal(stored("parked/").length, 2);
  const gone = shop.publish("user.deleted", { userId: "u1" });
  assert.deepEqual(await deliver(app, "users", gone, gone), ["SUCCESS", "SUCCESS"]);
  const { list } = await notifications.consumer.deadLetters(undefined, 100);
  assert.deepEqual(
    list.map(({ id }) => id),
    ["orders:orders:2"],
  );
});
