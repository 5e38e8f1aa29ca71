import asyncio
import itertools

import pytest

from loyalty.events import Event


def run(steps):
    return asyncio.run(steps)


def facts(dapr):
    """Two returns and a refund of one order: 47.48 - 10 - 5.50 - 2 = 29.98."""
    return [
        dapr.confirm(),
        dapr.publish("return.received", {"orderId": "o1", "id": "r1", "restock": True, "owed": 1000}),
        dapr.publish("return.settled", {"orderId": "o1", "id": "r1"}),
        dapr.publish("refund.requested", {"orderId": "o1", "refund": {"id": "f1", "amount": 550}}),
        dapr.publish("refund.settled", {"orderId": "o1", "id": "f1"}),
        dapr.publish("return.received", {"orderId": "o1", "id": "r2", "restock": False, "owed": 200}),
        dapr.publish("return.settled", {"orderId": "o1", "id": "r2"}),
    ]


def test_paid_orders_give_points_and_settled_refunds_take_them_back(shop):
    async def steps():
        seen = []
        for message in facts(shop.dapr):
            await shop.deliver(message)
            seen.append(await shop.points.of("ada"))
        assert seen == [47, 47, 37, 37, 31, 31, 29]
        await shop.deliver(shop.dapr.confirm(order="o2", amount=199))
        assert await shop.points.of("ada") == 30
        assert await shop.points.of("grace") == 0

    run(steps())


@pytest.mark.parametrize("order", list(itertools.permutations(range(7)))[::97])
def test_the_order_of_the_facts_does_not_matter(shop, order):
    async def steps():
        messages = facts(shop.dapr)
        for i in (*order, *order):  # and twice
            await shop.points.apply(Event.model_validate(messages[i]["data"]))
        assert await shop.points.of("ada") == 29

    run(steps())


def test_cancelled_orders_and_orders_of_guests_give_none(shop):
    async def steps():
        await shop.deliver(shop.dapr.confirm(), shop.dapr.publish("order.cancelled", {"orderId": "o1"}))
        await shop.deliver(shop.dapr.confirm(order="o2", customer=""))
        assert await shop.points.of("ada") == 0
        assert not any("customer/" in key for key in shop.dapr.documents if key != "customer/ada")

    run(steps())


def test_only_shipped_parcels_count_when_the_rest_of_an_order_has_ended(shop):
    async def steps():
        parcel = {"id": "p1", "parts": [{"sku": "A", "quantity": 1, "amount": 2000}], "freight": 490}
        await shop.deliver(
            shop.dapr.confirm(),
            shop.dapr.publish("fulfilment.requested", {"orderId": "o1", "fulfilment": parcel}),
            shop.dapr.publish("fulfilment.shipped", {"orderId": "o1", "id": "p1"}),
            shop.dapr.publish("order.rest-ended", {"orderId": "o1"}),
        )
        assert await shop.points.of("ada") == 24

    run(steps())


def test_a_deleted_account_has_no_points_also_of_orders_that_become_known_later(shop):
    async def steps():
        await shop.deliver(shop.dapr.confirm(order="o1"), shop.dapr.confirm(order="o2", customer="grace"))
        await shop.deliver(shop.dapr.publish("user.deleted", {"userId": "ada"}))
        await shop.deliver(shop.dapr.confirm(order="o3"))
        assert await shop.points.of("ada") == 0
        assert await shop.points.of("grace") == 47
        assert [key for key in shop.dapr.documents if key.startswith("order/")] == ["order/o2"]
        stored = {key: data for key, (data, _) in shop.dapr.documents.items() if b"ada" in data or "ada" in key}
        assert stored == {"customer/ada": b'{"deleted":true}'}

    run(steps())
