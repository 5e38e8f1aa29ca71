// The content of mails: the subject, and the same letter as text and as HTML. The templates escape what is inserted.

import { fileURLToPath } from "node:url";
import { Eta } from "eta";
import type { Address, Money, OrderFact, UserLetter } from "./generated/contract.js";
import { MAX_LINE, MAX_NAME, MAX_TITLE, greeting, harmless, oneLine } from "./words.js";

export interface Letter {
  subject: string;
  text: string;
  html: string;
}

const views = fileURLToPath(new URL("../../templates", import.meta.url));
const rich = new Eta({ views, cache: true, autoTrim: false, autoEscape: true });
const plain = new Eta({ views, cache: true, autoTrim: false, autoEscape: false });

/** Writes letters, with links that begin with the address of the shop. */
export class Letters {
  constructor(private readonly shop: string) {}

  /** The confirmation of an order. Strangers may have written the address. The token is for the order of a guest. */
  orderConfirmed(order: OrderFact, address: Address, token: string): Letter {
    const { name, line1, line2 = "", postalCode, city, region = "", country } = address;
    const number = harmless(order.number, MAX_NAME);
    return write("order", `Your order ${number}`, {
      number,
      lines: order.lines.map(({ title, quantity, unitPrice, total }) => ({
        title: harmless(title, MAX_TITLE),
        quantity,
        unitPrice: amount(unitPrice),
        total: amount(total),
      })),
      subtotal: amount(order.subtotal),
      discount: order.discount.amount && amount(order.discount),
      shipping: amount(order.shipping),
      tax: amount(order.tax),
      total: amount(order.total),
      address: [name, line1, line2, `${postalCode} ${city}`, region, country]
        .map((line) => harmless(line, MAX_LINE))
        .filter(Boolean),
      token: oneLine(token),
      link: this.link(`/orders/${encodeURIComponent(order.orderId)}`, token),
    });
  }

  /**
   * Asks a new user to confirm their address. The letter names the time of the registration, because somebody else may
   * have registered the address too, with another password.
   */
  verify({ name, token, registeredAt }: UserLetter): Letter {
    const registered = registeredAt ? inWords(new Date(registeredAt)) : "";
    const link = this.link("/verify-email", token);
    return write("verify", "Please confirm your e-mail address", {
      name: greeting(name),
      token: oneLine(token),
      link,
      registered,
    });
  }

  /** Tells the owner of an account that somebody has registered its address again. */
  registrationRepeated({ name }: UserLetter): Letter {
    const links = { signIn: this.link("/login"), forgot: this.link("/forgot-password") };
    return write("repeated", "You have an account with us already", { name: greeting(name), ...links });
  }

  /** Lets a user choose a new password. */
  reset({ name, token }: UserLetter): Letter {
    const link = this.link("/reset-password", token);
    return write("reset", "Choose a new password", { name: greeting(name), token: oneLine(token), link });
  }

  /** Asks a user to confirm a new address before the account gets it. */
  changeEmail({ name, token }: UserLetter): Letter {
    const link = this.link("/verify-email", token);
    return write("change", "Please confirm your new e-mail address", {
      name: greeting(name),
      token: oneLine(token),
      link,
    });
  }

  /** Tells the former address that the account has another one. */
  emailChanged({ name }: UserLetter): Letter {
    return write("changed", "Your e-mail address was changed", { name: greeting(name) });
  }

  secondFactorAdded({ name }: UserLetter): Letter {
    return write("factor-added", "Your account has a new second factor", { name: greeting(name) });
  }

  secondFactorRemoved({ name }: UserLetter): Letter {
    return write("factor-removed", "A second factor was removed", { name: greeting(name) });
  }

  /** Puts the token into the fragment, which browsers do not send, so that no server logs it. */
  private link(path: string, token = ""): string {
    return this.shop + path + (token && `#${new URLSearchParams({ token })}`);
  }
}

function write(template: string, subject: string, data: object): Letter {
  const it = { ...data, subject };
  return {
    subject,
    text: `${plain.render(`./${template}.txt.eta`, it).trim()}\n`,
    html: `${rich.render(`./${template}.html.eta`, it).trim()}\n`,
  };
}

/** The time as "1 March 2026, 12:30:00 UTC". */
function inWords(time: Date): string {
  const month = time.toLocaleString("en", { month: "long", timeZone: "UTC" });
  return `${time.getUTCDate()} ${month} ${time.getUTCFullYear()}, ${time.toISOString().slice(11, 19)} UTC`;
}

/** The currencies whose symbol is unambiguous. Other amounts show the code. */
const SYMBOLS: Record<string, string> = {
  EUR: "€",
  USD: "$",
  GBP: "£",
  JPY: "¥",
  KRW: "₩",
  CAD: "CA$",
  AUD: "A$",
  NZD: "NZ$",
};

/** Formats money for people, such as "€1,234.50" or "SEK 99.00". */
export function amount({ amount, currency }: Money): string {
  const { maximumFractionDigits: decimals = 2 } = new Intl.NumberFormat("en", {
    style: "currency",
    currency,
  }).resolvedOptions();
  const digits = String(Math.abs(amount)).padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals).replace(/\B(?=(?:\d{3})+$)/g, ",");
  const number = decimals > 0 ? `${whole}.${digits.slice(-decimals)}` : whole;
  return `${amount < 0 ? "-" : ""}${SYMBOLS[currency] ?? `${currency} `}${number}`;
}
