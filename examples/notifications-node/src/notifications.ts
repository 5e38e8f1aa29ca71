// Which mail an event causes, and that each mailbox gets it once.

import type { FastifyBaseLogger } from "fastify";
import { type Allowance, EVERY, MAILS, WHOLE, lifeSeconds, permits, used } from "./allowance.js";
import { Consumer, type Handler } from "./consumer.js";
import { PermanentError, accountOf, concerns, orderOf, type Event } from "./events.js";
import type { ContactsReply, ContactsRequest, UserLetter } from "./generated/contract.js";
import { type Letter, Letters } from "./letters.js";
import { UnsendableError, fileName, type Message, type Send } from "./mail.js";
import { RefusedError, type Item, type Sidecar, type Write } from "./sidecar.js";

/** How long a mail is marked as sent: longer than a broker keeps its messages. */
const SENT_TTL = 90 * 24 * 3600; // seconds
/** How many mails of a batch are sent at the same time. */
const AT_ONCE = 8;

interface Outgoing extends Message {
  mailbox: string; // whose allowance the mail uses; empty for a mail that the users service has bounded
}

/** Makes the mails of events of one type. An event whose mail is not needed any more has none. */
type Compose = (events: Event[], signal: AbortSignal) => Promise<Outgoing[]>;

const markKey = (mail: Outgoing) => `mailed/${fileName(mail)}`;
const mailboxKey = (mailbox: string) => `mailbox/${mailbox}`;

export class Notifications {
  readonly consumer: Consumer;

  constructor(
    private readonly sidecar: Sidecar,
    private readonly letters: Letters,
    private readonly send: Send,
    private readonly logger: FastifyBaseLogger,
    private readonly now: () => number = Date.now,
  ) {
    const user = (write: (to: UserLetter) => Letter): Handler =>
      this.mailing((e, signal) => this.userMails(e, write, signal));
    const handlers: Record<string, Handler> = {
      "order.confirmed": { ...this.mailing((e, signal) => this.orderMails(e, signal)), batch: true },
      "user.verification-requested": user((to) => letters.verify(to)),
      "user.password-reset-asked": user((to) => letters.reset(to)),
      "user.email-change-asked": user((to) => letters.changeEmail(to)),
      "user.registration-repeated": user((to) => letters.registrationRepeated(to)),
      "user.email-changed": user((to) => letters.emailChanged(to)),
      "user.second-factor-added": user((to) => letters.secondFactorAdded(to)),
      "user.second-factor-removed": user((to) => letters.secondFactorRemoved(to)),
      "user.deleted": { handle: ([event]) => this.userDeleted(event!) },
    };
    const follows = ["orders", "users"].map((name) => ({ source: name, partition: name }));
    this.consumer = new Consumer(sidecar, handlers, follows, logger);
  }

  /**
   * Discards the dead letters of a deleted account. Nothing else names it: the marks of sent mails name events, and the
   * allowances of mailboxes digests, for some hours.
   */
  private async userDeleted(event: Event): Promise<void> {
    const { userId } = accountOf(event);
    await this.consumer.discardMatching((other) => concerns(other, userId));
  }

  private mailing(compose: Compose): Handler {
    return {
      handle: async (events, signal) => {
        try {
          await this.sendUnlessSent(await compose(events, signal), signal);
        } catch (error) {
          throw error instanceof UnsendableError ? new PermanentError(error.message) : error;
        }
      },
    };
  }

  /** Makes the confirmations of orders. Events have no personal data, so orders is asked for the recipients, once. */
  private async orderMails(events: Event[], signal: AbortSignal): Promise<Outgoing[]> {
    const orders = events.map(orderOf);
    for (const { number, lines, total } of orders) {
      const known = Intl.supportedValuesOf("currency").includes(total.currency);
      if (!number || lines.length === 0 || !known) {
        throw new PermanentError("the data of the event is invalid: the order lacks its number, lines or currency");
      }
    }
    const request: ContactsRequest = { orderIds: orders.map(({ orderId }) => orderId) };
    const { contacts } = await this.sidecar.call<ContactsReply>("orders", "POST", "internal/contacts", request, signal);
    if (contacts.length !== events.length)
      throw new Error(`asked for ${events.length} contacts, got ${contacts.length}`);
    return contacts.flatMap((contact, i) => {
      const [event, order] = [events[i]!, orders[i]!];
      if (contact.erased) return this.skip(event);
      const token = order.customer ? "" : (contact.accessToken ?? ""); // who holds it may read the order
      const letter = this.letters.orderConfirmed(order, contact.shippingAddress, token);
      return [{ ...letter, id: event.id, at: event.at, to: contact.email, mailbox: contact.mailbox ?? "" }];
    });
  }

  /** Makes mails to users. The event names the mail only, so users is asked for the recipient and the token. */
  private async userMails(
    events: Event[],
    write: (to: UserLetter) => Letter,
    signal: AbortSignal,
  ): Promise<Outgoing[]> {
    const mails = events.map(async (event) => {
      const { mailId = "" } = accountOf(event);
      if (!/^[\w-]+$/.test(mailId)) throw new PermanentError("the data of the event is invalid: it names no mail");
      try {
        const to = await this.sidecar.call<UserLetter>("users", "GET", `internal/mails/${mailId}`, undefined, signal);
        return [{ ...write(to), id: event.id, at: event.at, to: to.email, mailbox: "" }];
      } catch (error) {
        if (error instanceof RefusedError && error.problem === "not-found") return this.skip(event);
        throw error;
      }
    });
    return (await Promise.all(mails)).flat();
  }

  /** Notes an event whose mail is not needed any more: its token was used, or the account or the contact is deleted. */
  private skip(event: Event): [] {
    this.logger.info({ "haberdash.event.id": event.id }, "mail not needed any more");
    return [];
  }

  /**
   * Sends mails, except those that were sent before and those that their mailbox may not get any more. A mail is marked
   * as sent after it was sent: the other way round, a crash in between would lose it.
   */
  private async sendUnlessSent(mails: Outgoing[], signal: AbortSignal): Promise<void> {
    if (mails.length === 0) return;
    const keys = mails.flatMap((mail) => (mail.mailbox ? [markKey(mail), mailboxKey(mail.mailbox)] : [markKey(mail)]));
    const stored = await this.sidecar.getMany<unknown>([...new Set(keys)]);
    const { due, dropped } = this.select(mails, stored);
    for (const { id } of dropped) {
      this.logger.warn({ "haberdash.event.id": id }, "mail dropped, its mailbox has got too many");
    }
    const sent: Outgoing[] = [];
    let failure: unknown;
    const work = due[Symbol.iterator]();
    const sender = async () => {
      for (const mail of work) {
        try {
          await this.send(mail, signal);
          sent.push(mail);
          this.logger.info({ "haberdash.event.id": mail.id }, "mail sent");
        } catch (error) {
          failure ??= error;
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, sender));
    // Mails that were sent before one failed are marked, too. An event whose mail cannot be marked is handled
    // nevertheless: another delivery would only send the mail again.
    await this.record(sent, dropped, stored).catch((error) =>
      this.logger.warn({ err: error }, "cannot mark mails as sent"),
    );
    if (failure) throw failure;
  }

  /** Divides mails that were not sent before into those that their mailboxes may get and those that they may not. */
  private select(mails: Outgoing[], stored: Map<string, Item>): { due: Outgoing[]; dropped: Outgoing[] } {
    const left = new Map<string, Allowance>();
    const dropped: Outgoing[] = [];
    const due = mails.filter((mail) => {
      if (stored.has(markKey(mail))) return false;
      if (mail.mailbox === "") return true;
      const allowance = left.get(mail.mailbox) ?? allowanceOf(mail.mailbox, stored);
      if (!permits(allowance, this.now())) {
        dropped.push(mail);
        return false;
      }
      left.set(mail.mailbox, used(allowance, this.now()));
      return true;
    });
    return { due, dropped };
  }

  /**
   * Stores marks and allowances with one call. If that fails, for example because another replica has sent mail to one
   * of the mailboxes meanwhile, it writes them one by one, and adds to each allowance as it is stored then.
   */
  private async record(sent: Outgoing[], dropped: Outgoing[], stored: Map<string, Item>): Promise<void> {
    const [now, uses] = [this.now(), new Map<string, number>()];
    for (const { mailbox } of sent) if (mailbox) uses.set(mailbox, (uses.get(mailbox) ?? 0) + 1);
    const mark = (mail: Outgoing, value: object): Write => ({
      key: markKey(mail),
      value: { at: new Date(now).toISOString(), ...value },
      ttlSeconds: SENT_TTL,
    });
    const marks = [...sent.map((mail) => mark(mail, {})), ...dropped.map((mail) => mark(mail, { dropped: true }))];
    if (marks.length === 0) return;
    const allowances = [...uses].map(([mailbox, n]): Write => {
      const value = used(allowanceOf(mailbox, stored), now, n);
      const key = mailboxKey(mailbox);
      return { key, value, etag: stored.get(key)?.etag, ttlSeconds: lifeSeconds(value, now) };
    });
    try {
      await this.sidecar.save([...marks, ...allowances]);
    } catch {
      for (const write of marks) await this.sidecar.put(write);
      for (const [mailbox, n] of uses) {
        const seconds = (MAILS * EVERY) / 1000;
        await this.sidecar.update(mailboxKey(mailbox), WHOLE, (allowance) => used(allowance, now, n), seconds);
      }
    }
  }
}

const allowanceOf = (mailbox: string, stored: Map<string, Item>): Allowance =>
  (stored.get(mailboxKey(mailbox))?.value as Allowance | undefined) ?? WHOLE;
