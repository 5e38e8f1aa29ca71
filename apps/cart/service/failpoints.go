package service

// A step after which a process may die, for the chaos tests.
const afterTakeOut = "cart-emptied" // an order has left its cart, and its event is not counted as handled
