import asyncio

import pytest

from loyalty import consumer
from loyalty.events import Log
from loyalty.sidecar import UnavailableError

ORDERS = Log("orders", "orders")


def run(steps):
    return asyncio.run(steps)


async def cursor(shop):
    return next(c for c in await shop.consumer.cursors() if c["source"] == "orders")


def test_an_event_counts_once_however_often_it_comes(shop):
    async def steps():
        first, second = shop.dapr.confirm(order="o1", amount=1000), shop.dapr.confirm(order="o2", amount=500)
        await shop.deliver(first, first, second, first, second)
        assert await shop.points.of("ada") == 15
        assert await cursor(shop) == {
            "source": "orders", "partition": "orders", "position": 2, "applied": 2, "parked": 0, "head": 0,
        }  # fmt: skip
        assert shop.dapr.calls == [], "nothing was missing"

    run(steps())


def test_missing_events_are_read_from_the_feed_and_late_ones_are_ignored(shop, monkeypatch):
    monkeypatch.setattr(consumer, "PAGE", 3)

    async def steps():
        messages = [shop.dapr.confirm(order=f"o{n}", amount=100) for n in range(10)]
        await shop.deliver(messages[8])
        assert await shop.points.of("ada") == 9
        assert len(shop.dapr.calls) == 3, "8 events in pages of 3"
        await shop.deliver(*messages[:8])
        assert await shop.points.of("ada") == 9
        assert (await cursor(shop))["applied"] == 9

    run(steps())


def test_an_event_waits_while_the_feed_does_not_have_those_before_it(shop):
    async def steps():
        shop.dapr.confirm(order="o1")
        second = shop.dapr.confirm(order="o2")
        missing, shop.dapr.feeds["orders"] = shop.dapr.feeds["orders"], []
        with pytest.raises(UnavailableError, match="event 1"):
            await shop.deliver(second)
        assert await shop.points.of("ada") == 0
        shop.dapr.feeds["orders"] = missing
        await shop.deliver(second)
        assert await shop.points.of("ada") == 94

    run(steps())


def test_feeds_are_read_at_the_start(shop, monkeypatch):
    monkeypatch.setattr(consumer, "PAGE", 3)

    async def steps():
        for n in range(10):
            shop.dapr.confirm(order=f"o{n}", amount=100)
        task = asyncio.create_task(shop.consumer.run())
        async with asyncio.timeout(5):
            while await shop.points.of("ada") < 10:  # noqa: ASYNC110 nothing announces it
                await asyncio.sleep(0)
        task.cancel()
        assert (await cursor(shop))["head"] == 10

    run(steps())


def test_after_a_crash_between_an_event_and_its_cursor_nothing_is_lost_or_doubled(shop):
    async def steps():
        message = shop.dapr.confirm(amount=1000)
        await shop.points.apply(consumer.Event.model_validate(message["data"]))  # and the cursor is not written
        shop.consumer = shop.new_consumer()
        await shop.deliver(message, shop.dapr.confirm(order="o2", amount=500))
        assert await shop.points.of("ada") == 15

    run(steps())


def test_replicas_write_the_same_documents_without_losing_an_order(shop):
    async def steps():
        replicas = [shop.new_consumer() for _ in range(4)]
        messages = [shop.dapr.confirm(order=f"o{n}", amount=100) for n in range(20)]
        await asyncio.gather(*(r.deliver(m) for m in messages for r in replicas))
        assert await shop.points.of("ada") == 20
        assert (await cursor(shop))["applied"] == 20

    run(steps())


def test_an_event_waits_while_the_sidecar_does_not_answer(shop):
    async def steps():
        message = shop.dapr.confirm()
        shop.dapr.down = True
        with pytest.raises(UnavailableError):
            await shop.deliver(message)
        shop.dapr.down = False
        assert (await cursor(shop))["position"] == 0
        assert shop.dapr.documents == {}, "it is no dead letter"
        await shop.deliver(message)
        assert await shop.points.of("ada") == 47

    run(steps())


def test_an_event_whose_document_cannot_be_written_is_no_dead_letter(shop):
    async def steps():
        message, shop.dapr.refused = shop.dapr.confirm(), "order/"
        with pytest.raises(UnavailableError):
            await shop.deliver(message)
        assert shop.dapr.documents == {}
        shop.dapr.refused = "nothing"
        await shop.deliver(message)
        assert await shop.points.of("ada") == 47

    run(steps())


def test_events_of_unknown_types_are_ignored_whatever_their_data(shop):
    async def steps():
        await shop.deliver(shop.dapr.publish("order.unheard-of", {"one": 1}), shop.dapr.publish("order.empty", None))
        assert (await cursor(shop))["parked"] == 0
        assert await shop.dead_letters.list("", 20) == ([], None)

    run(steps())


def test_poison_is_set_aside_and_does_not_stop_the_log(shop):
    async def steps():
        poison = shop.dapr.confirm(order="o1", amount="many")
        await shop.deliver(poison, poison, shop.dapr.confirm(order="o2"))
        assert await shop.points.of("ada") == 47
        assert await cursor(shop) | {"head": 0} == {
            "source": "orders", "partition": "orders", "position": 2, "applied": 1, "parked": 1, "head": 0,
        }  # fmt: skip
        [letter], more = await shop.dead_letters.list("", 20)
        assert (letter.id, letter.tries, more) == ("orders:orders:1", 1, None)
        assert letter.reason == "total: Input should be a valid integer"

        assert not await shop.consumer.replay(letter)
        letter = await shop.dead_letters.get(letter.id)
        assert letter.tries == 2
        letter.event["data"]["total"]["amount"] = 100  # as if the app could read it now
        assert await shop.consumer.replay(letter)
        assert await shop.points.of("ada") == 48
        assert await shop.dead_letters.list("", 20) == ([], None)

    run(steps())


@pytest.mark.parametrize(
    "message",
    [
        {"id": "m1"},
        {"id": "m1", "data": "text"},
        {"id": "m1", "data": {"type": "order.confirmed"}},
        {"id": "m1", "data": {"id": "x", "type": "t", "source": "cart", "partition": "cart", "position": 1}},
        {"id": "m1", "data": {"id": "x", "type": "t", "source": "orders", "partition": "orders", "position": 0}},
    ],
)
def test_what_is_no_event_of_a_known_log_is_set_aside_once(shop, message):
    async def steps():
        await shop.deliver(message, message)
        [letter], _ = await shop.dead_letters.list("", 20)
        assert letter.summary()["source"] == "unknown"
        assert not await shop.consumer.replay(letter)

    run(steps())


def test_dead_letters_are_listed_in_pages(shop):
    async def steps():
        for n in range(5):
            await shop.deliver({"id": f"m{n}"})
        seen, after = [], ""
        while after is not None:
            page, after = await shop.dead_letters.list(after, 2)
            seen += [letter.id for letter in page]
        assert len(set(seen)) == len(seen) == 5

    run(steps())
