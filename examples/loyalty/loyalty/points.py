"""The rules for points.

1. A customer has one point for each 100 cents that an order has cost, shipping and tax included.
2. A cancelled order gives none. If the rest of an order will not be shipped, only the parcels that were shipped count.
3. A return or a refund takes the points of its amount back once it is settled.
4. When an account is deleted, its points are forgotten, and orders that become known later give none.

Each order is a document that records facts, and points are computed from it. So the points are the same whether an
event is applied once or twice, before or after another one. The document of a customer lists the orders.
"""

import asyncio

from pydantic import BaseModel, ConfigDict

from .events import Event
from .sidecar import Sidecar

CENTS_PER_POINT = 100

# What Order.record knows. The data of other events may have any shape.
TYPES = {
    "order.confirmed", "order.cancelled", "order.rest-ended", "fulfilment.requested", "fulfilment.shipped",
    "return.received", "return.settled", "refund.requested", "refund.settled",
}  # fmt: skip


class Document(BaseModel):
    model_config = ConfigDict(validate_assignment=True, strict=True)  # an event with a wrong type is an error


class Amount(Document):
    """The amount of a parcel, a return or a refund. It counts when it is settled."""

    amount: int = 0
    settled: bool = False


def total_settled(amounts: dict[str, Amount]) -> int:
    return sum(a.amount for a in amounts.values() if a.settled)


class Order(Document):
    customer: str = ""
    total: int = 0
    cancelled: bool = False
    rest_ended: bool = False
    parcels: dict[str, Amount] = {}
    refunds: dict[str, Amount] = {}  # and returns

    @property
    def points(self) -> int:
        paid = total_settled(self.parcels) if self.rest_ended else self.total
        return 0 if self.cancelled else max(paid - total_settled(self.refunds), 0) // CENTS_PER_POINT

    def record(self, event: Event) -> None:
        """Record the fact of an event that has one of TYPES."""
        fact = event.data
        match event.type:
            case "order.confirmed" if fact.get("customer"):  # a guest has none
                self.customer, self.total = fact["customer"], fact["total"]["amount"]
            case "order.cancelled":
                self.cancelled = True
            case "order.rest-ended":
                self.rest_ended = True
            case "fulfilment.requested":
                parcel = fact["fulfilment"]
                amount = sum(part["amount"] for part in parcel["parts"]) + parcel.get("freight", 0)
                self.parcels.setdefault(parcel["id"], Amount()).amount = amount
            case "fulfilment.shipped":
                self.parcels.setdefault(fact["id"], Amount()).settled = True
            case "return.received":
                self.refunds.setdefault(fact["id"], Amount()).amount = fact["owed"]
            case "refund.requested":
                self.refunds.setdefault(fact["refund"]["id"], Amount()).amount = fact["refund"]["amount"]
            case "return.settled" | "refund.settled":
                self.refunds.setdefault(fact["id"], Amount()).settled = True


class Customer(Document):
    orders: list[str] = []
    deleted: bool = False  # stays, because an order of the customer may become known later

    def add(self, order: str) -> None:
        if not self.deleted and order not in self.orders:
            self.orders.append(order)

    def delete(self) -> None:
        self.deleted = True

    def forget_orders(self) -> None:
        self.orders = []


class Points:
    """The points of all customers, in the state store."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar

    async def of(self, customer: str) -> int:
        ids = (await self._sidecar.read(f"customer/{customer}", Customer)).orders
        orders = await asyncio.gather(*(self._sidecar.read(f"order/{id}", Order) for id in ids))
        return sum(order.points for order in orders)

    async def apply(self, event: Event) -> None:
        """Apply an event. Any error but UnavailableError is the fault of the event."""
        if event.type == "user.deleted":
            await self._delete(event.data["userId"])
        elif event.type in TYPES:
            await self._record(event, event.data["orderId"])

    async def _record(self, event: Event, id: str) -> None:
        order = await self._sidecar.update(f"order/{id}", Order, lambda order: order.record(event))
        if event.type == "order.confirmed" and order.customer:
            customer = await self._sidecar.update(f"customer/{order.customer}", Customer, lambda c: c.add(id))
            if customer.deleted:
                await self._sidecar.delete(f"order/{id}")

    async def _delete(self, user: str) -> None:
        key = f"customer/{user}"
        for id in (await self._sidecar.update(key, Customer, Customer.delete)).orders:
            await self._sidecar.delete(f"order/{id}")
        await self._sidecar.update(key, Customer, Customer.forget_orders)
