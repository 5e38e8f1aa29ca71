import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import type { AccountFact, Event, OrderFact } from "./generated/contract.js";
import schemas from "./generated/schemas.js";

export type { Event };

/** A log of events of another app. */
export interface Log {
  source: string;
  partition: string; // empty for events without a position
}

/** An event that can never be handled: it becomes a dead letter at once. The message does not quote its data. */
export class PermanentError extends Error {}

const MAX_NAME = 1000;

/** Returns the envelope of an event, or undefined for anything else. Data is whatever it is. */
export function envelopeOf(value: unknown): Event | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const e = value as Partial<Record<keyof Event, unknown>>;
  const { partition = "", aggregate = "", position = 0 } = e;
  const isName = (name: unknown) => typeof name === "string" && name.length <= MAX_NAME;
  const named = [e.id, e.type, e.source].every((name) => isName(name) && name !== "");
  const counted = typeof position === "number" && Number.isSafeInteger(position) && position >= 0;
  if (!named || !isName(partition) || !isName(aggregate) || !counted) return undefined;
  return { ...e, partition, aggregate, position } as Event;
}

const ajv = new Ajv2020({ strict: false, validateFormats: false });
const checks: { [name in keyof typeof schemas]: ValidateFunction } = {
  OrderFact: ajv.compile(schemas.OrderFact),
  AccountFact: ajv.compile(schemas.AccountFact),
};

/** Returns the data of an event, checked by the schema that the shop publishes. */
export function orderOf(event: Event): OrderFact {
  return factOf<OrderFact>(event, "OrderFact");
}

export function accountOf(event: Event): AccountFact {
  return factOf<AccountFact>(event, "AccountFact");
}

function factOf<T>(event: Event, name: keyof typeof schemas): T {
  const { version = 1, data } = event;
  if (version !== 1) throw new PermanentError(`the data has version ${version}, and this app knows version 1`);
  const check = checks[name];
  if (!check(data)) {
    const { instancePath, message } = check.errors![0]!;
    throw new PermanentError(`the data of the event is invalid: ${instancePath || "it"} ${message}`);
  }
  return data as T;
}

/** Reports whether an event is about a user. */
export function concerns({ data }: Event, user: string): boolean {
  const { userId, customer } = (data ?? {}) as Record<string, unknown>;
  return user !== "" && (userId === user || customer === user);
}
