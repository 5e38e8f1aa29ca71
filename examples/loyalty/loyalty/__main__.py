"""Runs the app: python -m loyalty. The launcher of the shop sets the variables, as `dapr run` does."""

import asyncio
import contextlib
import logging
import os
import sys

import uvicorn
from dapr.aio.clients import DaprClient

from .app import create_app
from .sidecar import Sidecar


async def serve(port: int, app_token: str) -> None:
    async with DaprClient() as client:  # waits for the sidecar
        app = create_app(Sidecar(client), app_token)
        config = uvicorn.Config(app, "127.0.0.1", port, access_log=False, timeout_graceful_shutdown=10)
        await uvicorn.Server(config).serve()  # until SIGTERM, and until the requests are answered


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("APP_PORT", "APP_API_TOKEN"):
        if not os.environ.get(name):
            sys.exit(f"loyalty: {name} is not set: start the app with make up APPS=examples/loyalty")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(int(os.environ["APP_PORT"]), os.environ["APP_API_TOKEN"]))
