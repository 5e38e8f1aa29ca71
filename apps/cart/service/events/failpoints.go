package events

// afterOrderRemoved is the failpoint after an order was removed from its cart and before its event counts as handled.
const afterOrderRemoved = "cart-emptied"
