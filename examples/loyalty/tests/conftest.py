"""A client of Dapr that has a state store and the feeds of other apps in memory, and what tests make of it."""

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dapr.clients.exceptions import DaprInternalError

from loyalty.app import LOGS
from loyalty.consumer import Consumer
from loyalty.dead_letters import DeadLetters
from loyalty.points import Points
from loyalty.sidecar import Sidecar

KEY = Ed25519PrivateKey.generate()


def jwk(kid: str, key: Ed25519PrivateKey) -> dict[str, str]:
    public = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": kid, "use": "sig", "alg": "EdDSA"}


class FakeDapr:
    """Has the methods of dapr.aio.clients.DaprClient that the app uses. Each write of a key changes its ETag."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[bytes, int]] = {}
        self.feeds: dict[str, list[dict[str, Any]]] = {"orders": [], "users": []}
        self.calls: list[str] = []
        self.down = self.users_down = False
        self.refused = "nothing"  # writes of keys that begin so fail
        self.keys = {"k1": KEY}
        self.writes = 0

    def fail_if_down(self) -> None:
        if self.down:
            raise DaprInternalError("the sidecar does not answer")

    async def get_state(self, store: str, key: str) -> SimpleNamespace:
        self.fail_if_down()
        data, etag = self.documents.get(key, (b"", 0))
        await asyncio.sleep(0)  # others run between a read and a write, as with a real store
        return SimpleNamespace(data=data, etag=str(etag or ""))

    async def save_state(self, store: str, key: str, value: str, etag: str | None, options: Any) -> None:
        self.fail_if_down()
        if key.startswith(self.refused):
            raise DaprInternalError("the store does not answer")
        if str(self.documents.get(key, (b"", 0))[1] or "") != (etag or ""):
            raise DaprInternalError("the ETag does not match")
        self.writes += 1
        self.documents[key] = (value.encode(), self.writes)

    async def delete_state(self, store: str, key: str) -> None:
        self.fail_if_down()
        self.documents.pop(key, None)

    async def invoke_method(self, app: str, path: str, http_verb: str, http_querystring: Any) -> SimpleNamespace:
        self.fail_if_down()
        self.calls.append(f"{app}/{path}")
        if app == "users" and self.users_down:
            raise DaprInternalError("users does not answer")
        if path == ".well-known/jwks.json":
            keys = [jwk(kid, key) for kid, key in self.keys.items()]
            return SimpleNamespace(data=json.dumps({"keys": keys}))
        query = dict(http_querystring)
        start, size = int(query["from"]) - 1, int(query["max"])
        feed = self.feeds[app]
        page = {"events": feed[start : start + size], "next": start + size + 1, "head": len(feed)}
        return SimpleNamespace(data=json.dumps(page))

    def publish(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """Append an event to the log of its app, and return its message."""
        source = "users" if kind.startswith("user.") else "orders"
        n = len(self.feeds[source]) + 1
        event = {
            "id": f"{source}/{source}/{n}/0",
            "type": kind,
            "source": source,
            "partition": source,
            "commit": n,
            "index": 0,
            "position": n,
            "aggregate": "order/o1",
            "seq": n,
            "at": "2026-11-23T12:30:00Z",
            "version": 1,
            "data": data,
        }
        self.feeds[source].append(event)
        return {"specversion": "1.0", "id": event["id"], "type": kind, "source": source, "data": event}

    def confirm(self, order: str = "o1", customer: str = "ada", amount: Any = 4748) -> dict[str, Any]:
        total = {"amount": amount, "currency": "EUR"}
        return self.publish("order.confirmed", {"orderId": order, "customer": customer, "total": total})


class Shop:
    """The parts of the app, on one fake Dapr."""

    def __init__(self) -> None:
        self.dapr = FakeDapr()
        self.sidecar = Sidecar(self.dapr)  # type: ignore[arg-type]
        self.points = Points(self.sidecar)
        self.dead_letters = DeadLetters(self.sidecar)
        self.consumer = self.new_consumer()

    def new_consumer(self) -> Consumer:
        """Return the consumer of another replica, or of the app after a restart."""
        return Consumer(self.sidecar, self.dead_letters, self.points.apply, LOGS)

    async def deliver(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            await self.consumer.deliver(message)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def token(headers: dict[str, Any] | None = None, key: Any = KEY, **claims: Any) -> str:
    """Return an access token of ada, with other claims or headers."""
    now = int(time.time())
    valid = {
        "iss": "haberdash",
        "aud": "haberdash-api",
        "sub": "ada",
        "roles": ["customer"],
        "iat": now,
        "exp": now + 300,
    }
    merged = {name: value for name, value in (valid | claims).items() if value is not None}
    return jwt.encode(merged, key, "EdDSA", headers={"kid": "k1"} | (headers or {}))
