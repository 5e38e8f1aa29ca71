// What surrounds the app in its tests: a sidecar that keeps everything in memory, with the apps orders and users.

import { randomUUID } from "node:crypto";
import Fastify, { type FastifyInstance } from "fastify";
import { SignJWT, exportJWK, generateKeyPair, type CryptoKey } from "jose";
import { pino } from "pino";
import { newApp } from "../src/app.js";
import type { Contact, Event, OrderFact } from "../src/generated/contract.js";
import { newVerifier } from "../src/identity.js";
import { Letters } from "../src/letters.js";
import { newSender } from "../src/mail.js";
import { Notifications } from "../src/notifications.js";
import { Sidecar } from "../src/sidecar.js";

export const AT = "2026-03-01T12:30:00Z";
export const TOKENS = { app: "token-of-the-sidecar", sidecar: "token-of-the-app" };

const eur = (amount: number) => ({ amount, currency: "EUR" });

export function order(changes: Partial<OrderFact> = {}): OrderFact {
  const line = { taxable: true, shipped: true, discount: eur(0), tax: eur(0) };
  return {
    orderId: "ord_7",
    number: "H-1007",
    cartId: "cart-secret",
    cartVersion: 1,
    lines: [
      { ...line, sku: "tee", title: "Tee <red> & blue", quantity: 2, unitPrice: eur(1999), total: eur(3998) },
      { ...line, sku: "hat", title: "Hüte", quantity: 1, unitPrice: eur(123401), total: eur(123401) },
    ],
    subtotal: eur(127399),
    discount: eur(500),
    shipping: eur(0),
    tax: eur(24111),
    total: eur(151010),
    ...changes,
  };
}

export const zoe: Omit<Contact, "orderId"> = {
  email: "zoe@example.com",
  accessToken: "guest-secret-token",
  shippingAddress: { name: "Zoë Müller", line1: "Hauptstr. 1", city: "Berlin", postalCode: "10115", country: "DE" },
};

export const ann = { email: "ann@example.com", name: "Ann", token: "once-only-token", registeredAt: AT };

/** A mail as the binding gets it. */
export interface Bound {
  data: string;
  metadata: Record<string, string>;
}

export class Shop {
  readonly documents = new Map<string, { value: unknown; etag: string }>();
  readonly bound: Bound[] = [];
  readonly feeds: Record<string, Event[]> = { orders: [], users: [] };
  readonly contacts = new Map<string, Partial<Contact>>();
  readonly calls: string[] = []; // of other apps
  readonly log: string[] = [];
  now = Date.parse(AT);
  down: (path: string) => boolean = () => false; // paths that do not answer
  refusal: ((mail: Bound) => string | undefined) | undefined; // of the mail server
  keys: Record<string, CryptoKey> = {};
  private signing!: CryptoKey;

  private constructor(
    readonly daprd: FastifyInstance,
    private address: string,
  ) {}

  static async open(): Promise<Shop> {
    const daprd: FastifyInstance = Fastify();
    const shop = new Shop(daprd, "");
    shop.serve();
    shop.address = await daprd.listen({ host: "127.0.0.1", port: 0 });
    const { publicKey, privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
    shop.keys = { k1: publicKey };
    shop.signing = privateKey;
    return shop;
  }

  close(): Promise<void> {
    return this.daprd.close();
  }

  get sidecar(): Sidecar {
    return new Sidecar(this.address, TOKENS.sidecar);
  }

  /** Starts the app, or another replica of it. */
  start(mail: "files" | "smtp" = "files"): { app: FastifyInstance; notifications: Notifications } {
    const { sidecar } = this;
    const logger = pino({ level: "debug" }, { write: (line) => void this.log.push(line) });
    const send = newSender(mail, "Haberdash <shop@haberdash.test>", sidecar);
    const letters = new Letters("http://localhost:8080");
    const notifications = new Notifications(sidecar, letters, send, logger, () => this.now);
    const app = newApp({ sidecar, appToken: TOKENS.app, logger }, notifications, newVerifier(sidecar));
    return { app, notifications };
  }

  /** Makes an access token. */
  async token(claims: object = {}, header: object = {}, life = 300): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const all = {
      iss: "haberdash",
      aud: "haberdash-api",
      sub: "u1",
      iat: now,
      exp: now + life,
      roles: ["admin"],
      ...claims,
    };
    return new SignJWT(JSON.parse(JSON.stringify(all)))
      .setProtectedHeader({ alg: "EdDSA", kid: "k1", ...header })
      .sign(this.signing);
  }

  /** Appends an event to the log of orders or users. */
  publish(type: string, data: unknown, changes: Partial<Event> = {}): Event {
    const source = type.startsWith("user.") ? "users" : "orders";
    const feed = this.feeds[source]!;
    const position = feed.length + 1;
    const event: Event = {
      id: `${source}/${source}/${position}/0`,
      type,
      source,
      partition: source,
      commit: position,
      index: 0,
      position,
      aggregate: "order/o1",
      seq: 1,
      at: AT,
      version: 1,
      data,
      ...changes,
    };
    feed.push(event);
    return event;
  }

  confirm(changes: Partial<OrderFact> = {}, contact: Partial<Contact> = {}): Event {
    const fact = order({ orderId: `ord_${this.feeds.orders!.length}`, ...changes });
    this.contacts.set(fact.orderId, contact);
    return this.publish("order.confirmed", fact);
  }

  private serve(): void {
    const { daprd, documents } = this;
    daprd.addHook("onRequest", async (request, reply) => {
      const open = request.url === "/v1.0/healthz/outbound";
      if (!open && request.headers["dapr-api-token"] !== TOKENS.sidecar) return reply.code(401).send({});
      if (this.down(request.url)) return reply.code(500).send({ errorCode: "ERR", message: "down" });
    });
    daprd.get("/v1.0/healthz/outbound", async (_request, reply) => reply.code(204).send());
    type Key = { Params: { key: string } };
    daprd.get<Key>("/v1.0/state/state/:key", async ({ params }, reply) => {
      const found = documents.get(params.key);
      return found ? reply.header("etag", found.etag).send(found.value) : reply.code(204).send();
    });
    daprd.post<{ Body: { keys: string[] } }>("/v1.0/state/state/bulk", async ({ body }) =>
      body.keys.map((key) => ({
        key,
        ...(documents.has(key) && { data: documents.get(key)!.value, etag: documents.get(key)!.etag }),
      })),
    );
    daprd.delete<Key>("/v1.0/state/state/:key", async ({ params }, reply) => {
      documents.delete(params.key);
      return reply.code(204).send();
    });
    type Writes = { Body: { key: string; value: unknown; etag?: string }[] };
    daprd.post<Writes>("/v1.0/state/state", async ({ body }, reply) => {
      let failed = false; // the writes are no transaction
      for (const { key, value, etag } of body) {
        if (documents.get(key)?.etag === etag) documents.set(key, { value, etag: randomUUID() });
        else failed = true;
      }
      return failed ? reply.code(409).send({ errorCode: "ERR_STATE_SAVE" }) : reply.code(204).send();
    });
    daprd.post<{ Body: Bound }>("/v1.0/bindings/mail", async ({ body }, reply) => {
      const message = this.refusal?.(body);
      if (message) return reply.code(500).send({ errorCode: "ERR_INVOKE_OUTPUT_BINDING", message });
      this.bound.push({ data: body.data, metadata: body.metadata });
      return reply.code(204).send();
    });
    daprd.post<{ Body: { orderIds: string[] } }>("/v1.0/invoke/orders/method/internal/contacts", async ({ body }) => {
      this.calls.push("contacts");
      const contacts = body.orderIds.map((orderId) => {
        const contact = { ...zoe, ...this.contacts.get(orderId) };
        return { orderId, mailbox: `digest-of-${contact.email.replace("@", "-")}`, ...contact };
      });
      return { contacts };
    });
    daprd.get<{ Params: { id: string } }>("/v1.0/invoke/users/method/internal/mails/:id", async ({ params }, reply) => {
      if (params.id === "m1") return ann;
      return reply
        .code(404)
        .type("application/problem+json")
        .send({ type: "https://haberdash.dev/problems/not-found" });
    });
    daprd.get("/v1.0/invoke/users/method/.well-known/jwks.json", async () => {
      this.calls.push("jwks");
      const keys = Object.entries(this.keys).map(async ([kid, key]) => ({
        ...(await exportJWK(key)),
        kid,
        alg: "EdDSA",
        use: "sig",
      }));
      return { keys: await Promise.all(keys) };
    });
    type Feed = { Params: { source: string }; Querystring: { from: string; max: string } };
    daprd.get<Feed>("/v1.0/invoke/:source/method/feed/:name", async ({ params, query }) => {
      this.calls.push(`feed ${params.source} ${query.from} ${query.max}`);
      const feed = this.feeds[params.source]!;
      const events = feed.filter((e) => e.position >= Number(query.from)).slice(0, Number(query.max));
      return { events, next: Number(query.from) + events.length, head: feed.length };
    });
  }
}

/** Delivers events as the sidecar does, one by one or several at once, and returns the statuses. */
export async function deliver(app: FastifyInstance, topic: string, ...events: unknown[]): Promise<string[]> {
  const messages = events.map((data, i) => ({ id: `m${i}`, specversion: "1.0", data }));
  const headers = { "dapr-api-token": TOKENS.app, "content-type": "application/cloudevents+json" };
  const bulk = { entries: messages.map((event, i) => ({ entryId: String(i), event })) };
  const body = messages.length === 1 ? messages[0]! : bulk;
  const answer = await app.inject({ method: "POST", url: `/events/${topic}`, headers, body });
  const { status, statuses } = answer.json() as { status?: string; statuses?: { entryId: string; status: string }[] };
  return status ? [status] : statuses!.map((s) => s.status);
}
