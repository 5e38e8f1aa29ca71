// What a consumer does with the generated types: the type of a message decides the type of its data.
import type { Message, OrderConfirmed } from "./generated/events.js";

export function points(message: Message): number {
  switch (message.type) {
    case "order.confirmed":
      return message.data.data.total.amount;
    case "return.received":
      return -message.data.data.owed;
    default:
      return 0;
  }
}

export function wrong(message: OrderConfirmed): string {
  // @ts-expect-error an order has no address: events have no personal data
  return message.data.data.shippingAddress;
}
