"""The Dapr sidecar, as this app uses it: documents in the state store, and calls of other apps."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import aiohttp
import grpc
from dapr.aio.clients import DaprClient
from dapr.clients.exceptions import DaprInternalError
from dapr.clients.grpc._state import Concurrency, Consistency, StateOptions
from pydantic import BaseModel

STORE = "state"
# A document that somebody else has written since it was read, or created meanwhile, is not overwritten.
FIRST_WRITE = StateOptions(consistency=Consistency.strong, concurrency=Concurrency.first_write)
ATTEMPTS = 10
FAILURES = (DaprInternalError, grpc.RpcError, aiohttp.ClientError, TimeoutError)

Document = TypeVar("Document", bound=BaseModel)


class UnavailableError(Exception):
    """The sidecar, the store or another app does not answer now. A later attempt may succeed."""


@contextmanager
def unavailable(what: str) -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        raise UnavailableError(f"{what}: {error}") from error


class Sidecar:
    """Wraps Dapr's client. Its methods raise UnavailableError."""

    def __init__(self, client: DaprClient) -> None:
        self._client = client

    async def read(self, key: str, kind: type[Document]) -> Document:
        """Read a document. If there is none, return a new one."""
        return (await self._read(key, kind))[0]

    async def _read(self, key: str, kind: type[Document]) -> tuple[Document, str]:
        with unavailable(f"read {key}"):
            stored = await self._client.get_state(STORE, key)
        return kind.model_validate_json(stored.data) if stored.data else kind(), stored.etag

    async def update(self, key: str, kind: type[Document], change: Callable[[Document], None]) -> Document:
        """Read a document, change it, and write it if nobody else has meanwhile; otherwise begin again.

        So change may run several times.
        """
        for _ in range(ATTEMPTS):
            document, etag = await self._read(key, kind)
            before = document.model_copy(deep=True)
            change(document)
            if document == before:
                return document
            try:
                await self._client.save_state(
                    STORE, key, document.model_dump_json(exclude_defaults=True), etag=etag or None, options=FIRST_WRITE
                )
                return document
            except FAILURES as error:  # a conflict, or it is not known whether the document was written
                failure = error
        raise UnavailableError(f"write {key}: {failure}") from failure

    async def delete(self, key: str) -> None:
        with unavailable(f"delete {key}"):
            await self._client.delete_state(STORE, key)

    async def get(self, app: str, path: str, query: dict[str, Any] | None = None) -> Any:
        """Call an operation of another app and return its JSON."""
        with unavailable(f"GET {path} of {app}"):
            parameters = tuple((name, str(value)) for name, value in (query or {}).items())
            answer = await self._client.invoke_method(app, path, http_verb="GET", http_querystring=parameters)
        return json.loads(answer.data)
