"""Events that could not be applied. Administrators list them, replay them and discard them."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from .events import Event
from .sidecar import Sidecar

UNKNOWN = "unknown"  # the source of a delivery that is not an event
CURSOR = "^([^:]+:[^:]*:[^:]+)?$"  # an id, as DeadLetters makes them, or nothing


class DeadLetter(BaseModel):
    id: str = ""
    event: dict[str, Any] = {}  # the envelope, or whatever was delivered
    reason: str = ""
    at: str = ""
    tries: int = 0

    def failed(self, id: str, event: dict[str, Any], reason: str) -> None:
        self.id, self.event, self.reason = id, event, reason
        self.at, self.tries = datetime.now(UTC).isoformat(), self.tries + 1

    def concerns(self, user: str) -> bool:
        data = self.event.get("data")
        return isinstance(data, dict) and user in (data.get("customer"), data.get("userId"))

    def summary(self) -> dict[str, Any]:
        """Describe it to administrators, who need not see the data of the event."""
        names = ("type", "source", "partition", "position", "aggregate")
        of_event = {name: self.event[name] for name in names if name in self.event}
        return {**of_event, "event": self.event["id"], **self.model_dump(exclude={"event"})}


class Index(BaseModel):
    ids: list[str] = []

    def add(self, id: str) -> None:
        self.ids = sorted({*self.ids, id})

    def remove(self, id: str) -> None:
        self.ids = [other for other in self.ids if other != id]


def reason_of(error: Exception) -> str:
    """Say why an event failed, without its data, which may lead to a person."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    return f"{type(error).__name__}: {error}"


class DeadLetters:
    """Stores each dead letter in a document, and their ids in another one, because a store does not list its keys."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar

    async def add(self, event: Event, error: Exception) -> None:
        """Store an event that cannot be applied. It is one dead letter, however often it fails."""
        id = f"{event.source}:{event.partition}:{event.position}"
        await self._add(id, event.model_dump(), reason_of(error))

    async def add_invalid(self, delivery: dict[str, Any]) -> None:
        """Store a delivery that is not an event."""
        event = {"id": str(delivery.get("id", "")), "type": "", "source": UNKNOWN, "data": delivery.get("data")}
        digest = hashlib.sha256(json.dumps(event).encode()).hexdigest()[:16]
        await self._add(f"{UNKNOWN}::{digest}", event, "the delivery is not an event")

    async def _add(self, id: str, event: dict[str, Any], reason: str) -> None:
        await self._sidecar.update(f"dead-letter/{id}", DeadLetter, lambda letter: letter.failed(id, event, reason))
        await self._sidecar.update("dead-letters", Index, lambda index: index.add(id))

    async def list(self, after: str, limit: int) -> tuple[list[DeadLetter], str | None]:
        """Return the dead letters whose ids come after one, and the id after which the next page begins."""
        ids = [id for id in (await self._sidecar.read("dead-letters", Index)).ids if id > after]
        letters = [await self.get(id) for id in ids[:limit]]
        return [letter for letter in letters if letter], ids[limit - 1] if len(ids) > limit else None

    async def get(self, id: str) -> DeadLetter | None:
        letter = await self._sidecar.read(f"dead-letter/{id}", DeadLetter)
        return letter if letter.id else None

    async def remove(self, id: str) -> None:
        await self._sidecar.delete(f"dead-letter/{id}")
        await self._sidecar.update("dead-letters", Index, lambda index: index.remove(id))

    async def forget(self, user: str) -> None:
        """Remove the dead letters that name a user."""
        for id in (await self._sidecar.read("dead-letters", Index)).ids:
            letter = await self.get(id)
            if letter and letter.concerns(user):
                await self.remove(id)
