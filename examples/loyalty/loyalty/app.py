"""The operations of the app: for its sidecar, for customers and for administrators."""

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import jwt
from fastapi import Body, Depends, FastAPI, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from . import problems
from .consumer import Consumer, logger
from .dead_letters import CURSOR, DeadLetter, DeadLetters
from .events import Event, Log
from .identity import Caller, Verifier
from .points import Points
from .problems import Problem
from .sidecar import Sidecar, UnavailableError

LOGS = [Log("orders", "orders"), Log("users", "users")]
PROBES = {"/healthz", "/readyz"}  # which do not come from the sidecar
DEAD_LETTERS = "/api/v1/dead-letters/{app}"


class Statement(BaseModel):
    points: int


def create_app(sidecar: Sidecar, app_token: str) -> FastAPI:
    points, dead_letters, verifier = Points(sidecar), DeadLetters(sidecar), Verifier(sidecar)

    async def apply(event: Event) -> None:
        await points.apply(event)
        if event.type == "user.deleted":
            await dead_letters.forget(event.data["userId"])

    consumer = Consumer(sidecar, dead_letters, apply, LOGS)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        feeds = asyncio.create_task(consumer.run())
        yield  # until the last request is answered
        feeds.cancel()
        await asyncio.gather(feeds, return_exceptions=True)

    app = FastAPI(
        title="Loyalty",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name.replace("_", "-"),
    )
    problems.install(app)

    @app.middleware("http")
    async def only_from_the_sidecar(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        """Refuse requests without the token of the sidecar: anybody on this machine could send events otherwise."""
        token = request.headers.get("dapr-api-token", "")
        if request.url.path not in PROBES and not hmac.compare_digest(token.encode(), app_token.encode()):
            return Problem(401, "unauthenticated", "This app is called through its sidecar.").response()
        return await call_next(request)

    bearer = HTTPBearer(scheme_name="bearer", bearerFormat="JWT", auto_error=False)

    async def caller(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> Caller:
        if credentials is None:
            raise Problem(401, "unauthenticated", "Sign in first.")
        try:
            return await verifier.verify(credentials.credentials)
        except jwt.InvalidTokenError as error:
            raise Problem(401, "invalid-token", "The access token is not valid or has expired.") from error

    async def admin(app: str, user: Annotated[Caller, Depends(caller)]) -> None:
        if "admin" not in user.roles:
            raise Problem(403, "forbidden", "You are not allowed to do this.")
        if app != "loyalty":
            raise Problem(404, "not-found", "There is no such consumer.")

    async def dead_letter(id: str) -> DeadLetter:
        letter = await dead_letters.get(id)
        if letter is None:
            raise Problem(404, "not-found", "There is no such dead letter.")
        return letter

    @app.get("/api/v1/loyalty/me")
    async def get_points(user: Annotated[Caller, Depends(caller)], response: Response) -> Statement:
        """The points of the caller"""
        response.headers["Cache-Control"] = "private, no-cache"
        return Statement(points=await points.of(user.user))

    @app.get(DEAD_LETTERS, dependencies=[Depends(admin)])
    async def list_dead_letters(
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[str, Query(max_length=512, pattern=CURSOR)] = "",
    ) -> dict[str, Any]:
        """Events that this app could not apply"""
        letters, next_cursor = await dead_letters.list(cursor, limit)
        return {"items": [letter.summary() for letter in letters], "nextCursor": next_cursor}

    @app.post(DEAD_LETTERS + "/{id}/replay", status_code=204, dependencies=[Depends(admin)])
    async def replay_dead_letter(letter: Annotated[DeadLetter, Depends(dead_letter)]) -> None:
        """Apply an event once more"""
        if not await consumer.replay(letter):
            failed = await dead_letters.get(letter.id) or letter
            raise Problem(409, "not-handled", "The event could not be applied this time either.", reason=failed.reason)

    @app.delete(DEAD_LETTERS + "/{id}", status_code=204, dependencies=[Depends(admin)])
    async def discard_dead_letter(letter: Annotated[DeadLetter, Depends(dead_letter)]) -> None:
        """Discard a dead letter"""
        await dead_letters.remove(letter.id)

    async def deliver(message: dict[str, Any]) -> str:
        try:
            await consumer.deliver(message)
        except UnavailableError as error:
            logger.warning("an event waits for its next delivery: %s", error)
            return "RETRY"
        return "SUCCESS"

    @app.post("/events/{topic}", include_in_schema=False)
    async def receive(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        """Take one event from the sidecar, or several. Those of the dead-letter topic are handled like any other."""
        if "entries" not in body:
            return {"status": await deliver(body)}
        statuses, status = [], "SUCCESS"
        for entry in body["entries"]:
            if status == "SUCCESS":  # otherwise the later ones would fail too
                status = await deliver(entry["event"])
            statuses.append({"entryId": entry["entryId"], "status": status})
        return {"statuses": statuses}

    @app.get("/internal/consumers", include_in_schema=False)
    async def list_cursors() -> dict[str, Any]:
        return {"cursors": await consumer.cursors()}

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> dict[str, str]:
        await consumer.cursors()  # the store answers
        return {"status": "ok"}

    return app
