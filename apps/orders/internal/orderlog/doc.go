// Package orderlog decides what may happen to an order, and records it in the orders log. Each method of Repository is
// one command: it looks at the order and either emits events or refuses. Methods whose names begin with Record say
// what the service has done with the payment provider and the stock.
//
// Rules (each has a test of its number):
//
//  1. An order is placed once. A repeated request gets the existing order, another request is refused.
//  2. An order is decided once: confirmed or rejected. A repetition of the decision changes nothing, the opposite
//     decision is refused.
//  3. It is confirmed only with an authorisation of exactly its total.
//  4. It can be cancelled while it is confirmed and no parcel of it is shipped or pending. Cancelling twice changes
//     nothing.
//  5. The authorisation of a cancelled order is voided, and that is recorded once.
//  6. A fulfilment has units that no other fulfilment has, and costs their share of the total: the shares of a whole
//     order sum to its total, to the last minor unit. It is shipped when its share is captured, or it fails and gives
//     its units back.
//  7. A shipped fulfilment is delivered once. The order is delivered when all of it is.
//  8. A return has units that were shipped and that no other return has. When it is received, the order owes what they
//     cost, and with the last units of the order also what shipping cost. Always 0 ≤ refunded ≤ captured.
//  9. A refund by staff is at most what is captured, minus what is given back or owed.
//  10. One id is one fulfilment, return or refund: a repetition changes nothing, another request under the id is
//     refused.
//  11. When the authorisation ends before all goods are shipped, the rest of the order ends. If nothing was shipped,
//     the order is cancelled.
//  12. One version of a cart becomes one order, unless that order is rejected.
//  13. The fulfilments, returns and refunds of an order, and their lines, are bounded, so that its document is.
package orderlog
