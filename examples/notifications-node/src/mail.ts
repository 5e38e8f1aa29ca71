// Messages (RFC 5322, MIME), and how they are sent: through the output binding "mail" of the sidecar.

import { createHash } from "node:crypto";
import { domainToASCII } from "node:url";
import addressparser from "nodemailer/lib/addressparser";
import MailComposer from "nodemailer/lib/mail-composer";
import type { Letter } from "./letters.js";
import type { Sidecar } from "./sidecar.js";
import { oneLine } from "./words.js";

const BINDING = "mail";

/** A mail to one recipient. */
export interface Message extends Letter {
  id: string; // of the event that the mail is about: the same event always makes the same file
  at: string; // the time of that event
  to: string;
}

/** A message can never be sent as it is. */
export class UnsendableError extends Error {}

/** Sends a message. Errors do not name the recipient, because they are logged. */
export type Send = (message: Message, signal: AbortSignal) => Promise<void>;

/** Makes the sender for a component of the shop: "files" or "smtp". */
export function newSender(kind: "files" | "smtp", from: string, sidecar: Sidecar): Send {
  const sender = addressparser(from);
  if (sender.length !== 1 || !/^[^\s@]+@[^\s@]+$/.test(sender[0]?.address ?? "")) {
    throw new Error(`MAIL_FROM is not a mail address: ${JSON.stringify(from)}`);
  }
  const [{ name = "", address = "" } = {}] = sender;
  const send: Send = kind === "files" ? files({ name, address }, sidecar) : oneByOne(smtp({ name, address }, sidecar));
  return async (message, signal) => {
    const to = recipient(message);
    try {
      await send({ ...message, to }, signal);
    } catch (error) {
      const text = (error as Error).message.replaceAll(message.to, "(receiver)").replaceAll(to, "(receiver)");
      throw REFUSED.test(text) ? new UnsendableError(text) : new Error(text);
    }
  };
}

interface From {
  name: string;
  address: string;
}

/** Writes each message as a file. All attempts use one name, so that a repeated one replaces the file. */
const files =
  (from: From, sidecar: Sidecar): Send =>
  async (message, signal) =>
    sidecar.bind(BINDING, (await compose(from, message)).toString("latin1"), { fileName: fileName(message) }, signal);

/** Hands each message to a mail server. Dapr's SMTP binding takes HTML only, and no headers besides these. */
const smtp =
  (from: From, sidecar: Sidecar): Send =>
  (message, signal) => {
    const metadata = {
      emailFrom: `"${from.name}" <${from.address}>`,
      emailTo: message.to,
      subject: oneLine(message.subject),
    };
    return sidecar.bind(BINDING, message.html, metadata, signal);
  };

/**
 * Dapr's SMTP binding (1.18) keeps the recipient of a request where all requests share it, so two at the same time may
 * go to one recipient.
 */
function oneByOne(send: Send): Send {
  let last: Promise<unknown> = Promise.resolve();
  return (message, signal) => {
    const sent = last.then(() => send(message, signal));
    last = sent.catch(() => undefined);
    return sent;
  };
}

/**
 * The answers of a mail server that will never accept mail for a recipient (RFC 5321, section 4.2.3). Other permanent
 * errors, such as a failed sign-in, concern all mails: their cause is a setting, and the mails wait for its correction.
 */
const REFUSED = /could not send email 1: (?:550|551|553|556)[ -]/;

/** Encodes a message. No text in it can add a header or a recipient. */
export async function compose(from: From, message: Message): Promise<Buffer> {
  const { id, subject, text, html, to, at } = message;
  const composer = new MailComposer({
    from,
    to: { name: "", address: to }, // without a name, because a stranger may have written it
    subject: oneLine(subject),
    text,
    html,
    date: new Date(at),
    messageId: `<${digest(id)}@${from.address.split("@")[1]}>`,
    headers: { "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All" }, // these prevent vacation replies
    textEncoding: "quoted-printable",
    baseBoundary: digest([id, text, html].join("\0")), // nobody can write a text that contains it
    newline: "windows",
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return composer.compile().build();
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32);

/** The name of a message as a file, which sorts by time. It is also the key of the mark that the mail was sent. */
export function fileName({ id, at }: Message): string {
  const time = new Date(at).toISOString().replace(/[-:]|\.\d+/g, "");
  return `${time}-${id.replace(/[^A-Za-z0-9]/gu, "-").slice(0, 80)}-${digest(id).slice(0, 8)}.eml`;
}

const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const ADDRESS = new RegExp(`^(?=.{1,254}$)(?=[^@]{1,64}@)${ATOM}(?:\\.${ATOM})*@(?:${LABEL}\\.)+(?!\\d+$)${LABEL}$`);

/** Returns the address of the recipient for a mail server. The error does not quote it. */
function recipient({ id, at, to }: Message): string {
  if (!id || Number.isNaN(Date.parse(at))) throw new UnsendableError("the mail has no id or time");
  const i = to.lastIndexOf("@");
  const address = `${to.slice(0, i)}@${domainToASCII(to.slice(i + 1))}`;
  if (i < 0 || !ADDRESS.test(address)) throw new UnsendableError("the recipient's address is not valid");
  return address;
}
