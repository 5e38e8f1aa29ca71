"""The envelope of what the shop publishes. docs/contract.md and api/events in the shop's repository describe it."""

from typing import Any, NamedTuple

from pydantic import BaseModel, Field


class Log(NamedTuple):
    """A log of an app. Its events have the positions 1, 2, 3 …"""

    source: str
    partition: str


class Event(BaseModel):
    """An event, the same in a delivery and in a feed. Members that this app does not know are ignored."""

    id: str = Field(min_length=1, max_length=1000)
    type: str
    source: str
    partition: str
    position: int = Field(ge=1)
    aggregate: str = ""
    data: Any = None  # the fact

    @property
    def log(self) -> Log:
        return Log(self.source, self.partition)


class FeedPage(BaseModel):
    events: list[Event]
    head: int  # position of the last event of the log
