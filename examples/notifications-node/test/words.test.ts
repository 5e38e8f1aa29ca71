import assert from "node:assert/strict";
import { test } from "node:test";
import { linkifyit } from "linkify-it";
import { Letters, amount } from "../src/letters.js";
import { compose, newSender } from "../src/mail.js";
import type { Sidecar } from "../src/sidecar.js";
import { MAX_LINE, greeting, harmless } from "../src/words.js";
import { AT, ann, order, zoe } from "./shop.js";

const letters = new Letters("https://shop.test");

test("amounts have symbols, separators and decimals", () => {
  for (const [wanted, value, currency] of [
    ["€0.05", 5, "EUR"],
    ["€1,234.50", 123450, "EUR"],
    ["-$5.00", -500, "USD"],
    ["¥1,234,567", 1234567, "JPY"],
    ["SEK 999.00", 99900, "SEK"],
    ["KWD 1.234", 1234, "KWD"],
  ] as const) {
    assert.equal(amount({ amount: value, currency }), wanted);
  }
});

test("only names are greeted", () => {
  for (const name of ["Ann", "J. R. Smith", "Jürgen d’Été", "李雷", "Dr. Ana María O'Hara-Li", ""]) {
    assert.equal(greeting(name), name);
  }
  for (const name of [
    "win at http://evil.test",
    "evil.test",
    "www.evil",
    "www. evil",
    "you won 100",
    "<b>",
    "your account is closed today",
    "a".repeat(41),
    "Ann, call us",
    "a@b",
    "evil\uff0etest",
    "Ann!",
    "evil。test",
  ]) {
    assert.equal(greeting(name), "", name);
  }
});

test("harmless text stays readable", () => {
  for (const [text, wanted] of [
    ["Zoë Müller", "Zoë Müller"],
    ["c/o J. R. Smith Jr.", "c/o J. R. Smith Jr."],
    ["St.Gallen", "St Gallen"],
    ["Bottle 1.5l, 10:30, 3:2", "Bottle 1.5l, 10:30, 3:2"],
    ["Tee <red> & blue", "Tee <red> & blue"],
    ["http://evil.test/x", "http: /evil test/x"],
    ["WWW.evil.test www. evil", "WWW evil test www evil"],
    ["a@evil.test 192.0.2.1", "a evil test 192 0 2 1"],
    ["\\\\evil.test\\x", "/evil test/x"],
    ["evil\uff0etest a\uff20b 。。", "evil test a b ."],
    ["x\r\nBcc:e@vil.test\0", "x Bcc: e vil test"],
    ["a\u202eb\u200bc\u2028d\ufeff", "abc d"],
    ["ä".repeat(100), `${"ä".repeat(79)}…`],
  ] as const) {
    assert.equal(harmless(text, MAX_LINE), wanted, text);
  }
});

test("no text of a stranger is a link or adds a line", () => {
  const parts = [
    "http",
    "https",
    "mailto",
    "javascript",
    ":",
    "/",
    "//",
    "://",
    ".",
    "．",
    "。",
    "｡",
    "@",
    "＠",
    "www",
    "evil",
    "com",
    "test",
    "Ann",
    "1",
    "192.0.2.1",
    " ",
    "\n",
    "\r\n",
    "\u202e",
    "\u200b",
    "\0",
    "<a href=//evil.test>",
    '">',
    "&#46;",
    "<%= it.token %>",
    "http://evil.test/",
    "e@vil.test",
    "пример.рф",
  ];
  let seed = 1; // of a linear congruential generator: each run draws the same texts
  const next = (n: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % n;
  const hostile = () => Array.from({ length: next(12) }, () => parts[next(parts.length)]).join("");
  const linkify = linkifyit();
  for (let n = 0; n < 500; n++) {
    const [name, line] = [{ ...ann, name: hostile() }, hostile()];
    const address = { ...zoe.shippingAddress, name: hostile(), line1: line, city: hostile(), region: hostile() };
    const [first] = order().lines;
    for (const { subject, text, html } of [
      letters.orderConfirmed(order({ orderId: hostile(), lines: [{ ...first!, title: hostile() }] }), address, "t0ken"),
      letters.verify(name),
      letters.reset(name),
      letters.changeEmail(name),
      letters.registrationRepeated(name),
      letters.emailChanged(name),
      letters.secondFactorAdded(name),
      letters.secondFactorRemoved(name),
    ]) {
      const shown = html.replace(/<[^>]*>/g, " ");
      for (const part of [subject, text, shown]) {
        for (const { url } of linkify.match(part) ?? [])
          assert.ok(url.startsWith("https://shop.test/"), `${url} in ${part}`);
        assert.ok(!/[^\n\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]/u.test(part));
      }
      for (const [, target] of html.matchAll(/(?:href|src)="([^"]*)"/g))
        assert.ok(target!.startsWith("https://shop.test/"), target);
      assert.ok(!subject.includes("\n") && text.length < 6000);
    }
  }
});

test("everything is escaped", () => {
  const nasty = `<script>alert('x')</script>\r\nTotal: €0.00 & "more"`;
  const [line] = order().lines;
  const address = { ...zoe.shippingAddress, name: nasty };
  const fact = order({ orderId: "../<o>", number: nasty, lines: [{ ...line!, title: nasty }] });
  const { subject, text, html } = letters.orderConfirmed(fact, address, "a b<");
  assert.ok(!html.includes("<script"));
  assert.ok(!text.includes("\nTotal: €0.00"));
  assert.ok(!subject.includes("\n"));
  assert.ok(text.includes("https://shop.test/orders/..%2F%3Co%3E#token=a+b%3C"));
});

test("a mail has one recipient, and the same event makes the same bytes", async () => {
  const from = { name: "Haberdash", address: "shop@haberdash.test" };
  const message = {
    id: "e1",
    at: AT,
    to: "zoe@example.com",
    subject: 'x\r\nBcc: e@vil.test\r\n\r\n"hi',
    text: "a\n.\nb",
    html: "<p>",
  };
  const [first, second] = [await compose(from, message), await compose(from, message)];
  assert.deepEqual(first, second);
  const [head] = first.toString().split("\r\n\r\n");
  assert.deepEqual([...head!.matchAll(/^([A-Za-z-]+):/gm)].map((m) => m[1]).sort(), [
    "Auto-Submitted",
    "Content-Type",
    "Date",
    "From",
    "MIME-Version",
    "Message-ID",
    "Subject",
    "To",
    "X-Auto-Response-Suppress",
  ]);
});

test("invalid addresses are unsendable, and are not quoted", async () => {
  const bound: string[] = [];
  const sidecar = { bind: async (_: string, data: string) => void bound.push(data) } as unknown as Sidecar;
  const send = newSender("files", "shop@haberdash.test", sidecar);
  const mail = { id: "e1", at: AT, subject: "s", text: "t", html: "h" };
  const signal = AbortSignal.timeout(1000);
  for (const to of [
    "",
    "zoe",
    "a@b",
    "a@b.c, c@d.e",
    "a@b.c;c@d.e",
    "Zoë <a@b.test>",
    "a@b.test\r\nBcc: c@d.e",
    '"a b"@c.test',
    "a@b.test (c)",
    `${"a".repeat(65)}@b.test`,
    `a@${"b".repeat(250)}.test`,
    "josé@example.com",
    "a@[127.0.0.1]",
    "a@127.0.0.1",
    " a@b.test",
    "a..b@c.test",
    "a@-b.test",
  ]) {
    await assert.rejects(
      send({ ...mail, to }, signal),
      (e: Error) => e.constructor.name === "UnsendableError" && (!to || !e.message.includes(to)),
      to,
    );
  }
  for (const wrong of [{ at: "" }, { id: "" }])
    await assert.rejects(send({ ...mail, to: "a@b.test", ...wrong }, signal));
  assert.equal(bound.length, 0);
  for (const to of ["a@b.test", "a.b+c@d-e.example.com", "O'Hara@exämple.test"]) await send({ ...mail, to }, signal);
  assert.ok(bound[2]!.includes("O'Hara@xn--exmple-cua.test"));
  for (const from of ["nobody", "", "a@b.test, c@d.test"])
    assert.throws(() => newSender("smtp", from, sidecar), /MAIL_FROM/);
});
