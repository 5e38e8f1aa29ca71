"""Applies the events of logs in their order, each once, whatever the broker repeats, reorders or loses.

The cursor of a log is the position up to which its events are applied. Events at or below it are ignored, and events
that are missing before a delivered one are read from the feed of their app first. The app also reads the feeds at its
start and every few seconds, because a delivery may never come.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel

from .dead_letters import UNKNOWN, DeadLetter, DeadLetters, reason_of
from .events import Event, FeedPage, Log
from .sidecar import Sidecar, UnavailableError

PAGE = 200
POLL_SECONDS = 3.0

logger = logging.getLogger(__name__)


class Cursor(BaseModel):
    position: int = 0
    applied: int = 0  # events up to the position that were applied, or ignored for their type
    parked: int = 0  # events up to the position that became dead letters

    def advance(self, position: int, parked: int) -> None:
        if position > self.position:  # otherwise another replica was faster
            self.applied += position - self.position - parked
            self.position, self.parked = position, self.parked + parked


class Consumer:
    """Applies the events of some logs. apply must be idempotent, because events are applied again after a crash."""

    def __init__(
        self, sidecar: Sidecar, dead_letters: DeadLetters, apply: Callable[[Event], Awaitable[None]], logs: list[Log]
    ) -> None:
        self._sidecar = sidecar
        self._dead_letters = dead_letters
        self._apply = apply
        self._heads = dict.fromkeys(logs, 0)
        self._one_at_a_time = asyncio.Lock()

    async def deliver(self, message: dict[str, Any]) -> None:
        """Apply the event of a CloudEvent, after those that are missing. UnavailableError: deliver it again."""
        try:
            event = Event.model_validate(message.get("data"))
            if event.log not in self._heads:
                raise ValueError("this app does not follow the log")
        except ValueError as error:  # pydantic's errors are ValueErrors too
            logger.error("a delivery is not an event of a known log: %s", reason_of(error))
            await self._dead_letters.add_invalid(message)
            return
        async with self._one_at_a_time:
            while await self._read_feed(event.log, up_to=event.position - 1):
                pass
            await self._apply_next(event.log, [event])

    async def run(self) -> None:
        """Read the feeds until the task is cancelled."""
        while True:
            for log in self._heads:
                try:
                    await self._catch_up(log)
                except UnavailableError as error:
                    logger.warning("cannot read %s, will try again: %s", log, error)
                except Exception:
                    logger.exception("cannot read %s, will try again", log)
            await asyncio.sleep(POLL_SECONDS)

    async def _catch_up(self, log: Log) -> None:
        more = True
        while more:
            async with self._one_at_a_time:  # deliveries have their turn between two pages
                more = await self._read_feed(log)

    async def _read_feed(self, log: Log, up_to: int | None = None) -> bool:
        """Apply the next page of a feed, and return whether there is more up to a position or the end."""
        position = (await self._cursor(log)).position
        if up_to is not None and position >= up_to:
            return False
        size = PAGE if up_to is None else min(PAGE, up_to - position)
        page = await self._sidecar.get(log.source, f"feed/{log.partition}", {"from": position + 1, "max": size})
        feed = FeedPage.model_validate(page)
        self._heads[log] = feed.head
        await self._apply_next(log, feed.events)
        return bool(feed.events) and feed.events[-1].position < (up_to or feed.head)

    async def _apply_next(self, log: Log, events: list[Event]) -> None:
        """Apply those of the events that come after the cursor, and store how far that went."""
        position, parked = (await self._cursor(log)).position, 0
        try:
            for event in events:
                if event.position > position + 1:
                    raise UnavailableError(f"the feed of {log} does not have event {position + 1} yet")
                if event.position == position + 1:
                    parked += not await self._succeeds(event)
                    position = event.position
        finally:
            await self._sidecar.update(cursor_key(log), Cursor, lambda cursor: cursor.advance(position, parked))

    async def _succeeds(self, event: Event) -> bool:
        """Apply an event. One that cannot be applied becomes a dead letter, so that the next ones need not wait."""
        try:
            await self._apply(event)
        except UnavailableError:
            raise
        except Exception as error:
            logger.error("%s %s becomes a dead letter: %s", event.type, event.id, reason_of(error))
            await self._dead_letters.add(event, error)
            return False
        return True

    async def replay(self, letter: DeadLetter) -> bool:
        """Apply a dead letter once more, and remove it if that succeeds."""
        if letter.event["source"] == UNKNOWN:
            return False
        async with self._one_at_a_time:
            succeeds = await self._succeeds(Event.model_validate(letter.event))
        if succeeds:
            await self._dead_letters.remove(letter.id)
        return succeeds

    async def cursors(self) -> list[dict[str, Any]]:
        """Return how far this app has come in each log."""
        return [log._asdict() | (await self._cursor(log)).model_dump() | {"head": h} for log, h in self._heads.items()]

    async def _cursor(self, log: Log) -> Cursor:
        return await self._sidecar.read(cursor_key(log), Cursor)


def cursor_key(log: Log) -> str:
    return f"cursor/{log.source}/{log.partition}"
