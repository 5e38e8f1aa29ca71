"""Errors as clients see them: problems (RFC 9457), as in the rest of the shop."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from .sidecar import UnavailableError

HEADERS = {401: {"WWW-Authenticate": 'Bearer realm="haberdash"'}, 503: {"Retry-After": "1"}}


class Problem(Exception):
    def __init__(self, status: int, name: str, detail: str, **members: Any) -> None:
        self.status, self.name, self.detail, self.members = status, name, detail, members

    def response(self) -> JSONResponse:
        body = {
            "type": f"https://haberdash.dev/problems/{self.name}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return JSONResponse(body | self.members, self.status, HEADERS.get(self.status), "application/problem+json")


def install(app: FastAPI) -> None:
    """Answer the errors of an app's operations with problems."""

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        return Problem(error.status_code, phrase.lower().replace(" ", "-"), str(error.detail)).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        wrong = [{"location": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
        return Problem(422, "invalid-request", "The request is not valid.", errors=wrong).response()

    @app.exception_handler(UnavailableError)
    async def unavailable(_: Request, error: UnavailableError) -> JSONResponse:
        return Problem(503, "unavailable", "This is not available now. Try again.").response()
