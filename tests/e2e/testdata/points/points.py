#!/usr/bin/env python3
"""Collects the events that arrive, and shows them with what it can see of its surroundings."""
import http.server
import json
import os
import sys

EVENTS = []
CHECKS = ("/healthz", "/readyz")  # their requests have no token

if os.environ.get("POINTS_PER_ORDER") == "broken":
    sys.exit("points: POINTS_PER_ORDER is broken")


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def is_sidecar(self):
        """Answers 401 to everybody but the app's sidecar."""
        if self.path in CHECKS or self.headers.get("dapr-api-token") == os.environ["APP_API_TOKEN"]:
            return True
        self.answer(401, {})
        return False

    def do_GET(self):
        if not self.is_sidecar():
            return
        described = {"get": {"summary": "What has arrived", "responses": {"200": {"description": "OK"}}}}
        programmatic = os.environ.get("POINTS_PER_ORDER") == "subscribes"
        pages = {
            "/healthz": {},
            "/readyz": {},
            "/openapi.json": {"openapi": "3.1.0", "info": {"title": "Points", "version": "1"},
                              "paths": {"/api/v1/points/seen": described}},
            "/dapr/subscribe": [{"pubsubname": "pubsub", "topic": "stock", "route": "/stock"}] if programmatic else [],
            "/api/v1/points/seen": {
                "events": EVENTS, "authorization": self.headers.get("Authorization", ""),
                "environment": dict(os.environ), "folder": os.getcwd(),
            },
        }
        if self.path in pages:
            self.answer(200, pages[self.path])
        else:
            self.answer(404, {})

    def do_POST(self):
        if not self.is_sidecar():
            return
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        if "entries" in body:
            EVENTS.extend([self.path, e["event"]["type"]] for e in body["entries"])
            self.answer(200, {"statuses": [{"entryId": e["entryId"], "status": "SUCCESS"} for e in body["entries"]]})
            return
        EVENTS.append([self.path, body.get("type")])
        placed = body.get("type") == "order.placed" and not self.path.endswith("-dead")
        self.answer(200, {"status": "DROP" if placed else "SUCCESS"})

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["APP_PORT"])), Handler).serve_forever()
