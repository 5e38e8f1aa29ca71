// Written by npm run generate.

export interface Contract {
  ContactsRequest?: ContactsRequest;
  ContactsReply?: ContactsReply;
  Contact?: Contact;
  Address?: Address;
  FeedPage?: FeedPage;
  Event?: Event;
  UserLetter?: UserLetter;
  Cursors?: Cursors;
  Cursor?: Cursor;
  OrderFact?: OrderFact;
  Money?: Money;
  OrderLine?: OrderLine;
  AccountFact?: AccountFact;
}
export interface ContactsRequest {
  /**
   * @minItems 1
   * @maxItems 50
   */
  orderIds: string[];
}
export interface ContactsReply {
  contacts: Contact[];
}
export interface Contact {
  accessToken?: string;
  email: string;
  erased?: boolean;
  mailbox?: string;
  orderId: string;
  shippingAddress: Address;
}
export interface Address {
  city: string;
  country: string;
  line1: string;
  line2?: string;
  name: string;
  postalCode: string;
  region?: string;
}
export interface FeedPage {
  events: Event[];
  head: number;
  next: number;
}
/**
 * Event is the envelope of every event on a topic and in a feed. Events of one aggregate have ascending sequence numbers. Events of one source and partition have the positions 1, 2, 3 … without a gap, so that a consumer notices missing ones. A source without a log leaves Partition, Commit and Position empty. Its events are identified by their ids only.
 */
export interface Event {
  /**
   * kind and id, such as "order/<id>" or "sku/<SKU>"
   */
  aggregate: string;
  /**
   * UTC
   */
  at: string;
  /**
   * Baggage is that of the request that caused the event (W3C Baggage), such as "tenant=north". Most events have none.
   */
  baggage?: string;
  /**
   * from 1
   */
  commit: number;
  data: unknown;
  /**
   * service/partition/commit/index
   */
  id: string;
  /**
   * within the commit, from 0
   */
  index: number;
  /**
   * of the source's log
   */
  partition: string;
  /**
   * among the partition's published events, from 1
   */
  position: number;
  /**
   * within the aggregate, from 1
   */
  seq: number;
  /**
   * the service
   */
  source: string;
  /**
   * such as "order.confirmed"
   */
  type: string;
  /**
   * of the shape of Data, from 1; releases before left it out
   */
  version?: number;
}
export interface UserLetter {
  email: string;
  name: string;
  registeredAt?: string;
  token: string;
}
export interface Cursors {
  cursors: Cursor[];
}
export interface Cursor {
  applied: number;
  head: number;
  parked: number;
  partition: string;
  position: number;
  source: string;
}
/**
 * OrderFact is the data of an order in events. Brokers and logs cannot erase data, so it has no personal data but the user id. Contact has the rest.
 */
export interface OrderFact {
  cartId: string;
  cartVersion: number;
  /**
   * user id, empty for a guest
   */
  customer?: string;
  discount: Money;
  lines: OrderLine[];
  number: string;
  orderId: string;
  shipping: Money;
  subtotal: Money;
  tax: Money;
  total: Money;
}
/**
 * Money is an amount in minor units (cents for EUR, yen for JPY) of one currency.
 */
export interface Money {
  /**
   * Minor units: cents for EUR, yen for JPY
   */
  amount: number;
  /**
   * ISO 4217 code
   */
  currency: string;
}
/**
 * OrderLine is a line of an order. Total is quantity × unitPrice; the buyer pays total − discount + tax.
 */
export interface OrderLine {
  discount: Money;
  quantity: number;
  /**
   * Needs shipping
   */
  shipped: boolean;
  sku: string;
  tax: Money;
  taxable: boolean;
  title: string;
  total: Money;
  unitPrice: Money;
}
/**
 * AccountFact is all of the data of a user in events: beside the UserFact, who acted.
 */
export interface AccountFact {
  /**
   * id of the user who acted; empty if nobody was signed in
   */
  by?: string;
  /**
   * of the mail to send: see UserLetter
   */
  mailId?: string;
  /**
   * the kind of the factor that was added or removed
   */
  secondFactor?: string;
  /**
   * in which the user acted
   */
  sessionId?: string;
  userId: string;
}
