import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.testclient import TestClient

from loyalty.app import create_app

from .conftest import token

LETTERS = "/api/v1/dead-letters/loyalty"


@pytest.fixture
def client(shop):
    with TestClient(create_app(shop.sidecar, "secret"), headers={"dapr-api-token": "secret"}) as client:
        yield client


def bearer(**changes):
    return {"Authorization": f"Bearer {token(**changes)}"}


def test_customers_see_their_points(shop, client):
    assert client.post("/events/orders", json=shop.dapr.confirm()).json() == {"status": "SUCCESS"}
    answer = client.get("/api/v1/loyalty/me", headers=bearer())
    assert (answer.status_code, answer.json()) == (200, {"points": 47})
    assert answer.headers["cache-control"] == "private, no-cache"
    assert client.get("/api/v1/loyalty/me", headers=bearer(sub="grace")).json() == {"points": 0}
    assert shop.dapr.calls.count("users/.well-known/jwks.json") == 1, "tokens are verified offline"


def test_several_events_come_in_one_request(shop, client):
    events = [shop.dapr.confirm(order=f"o{n}", amount=100) for n in range(3)]
    body = {"entries": [{"entryId": str(n), "event": event} for n, event in enumerate(events)]}
    statuses = client.post("/events/orders", json=body).json()["statuses"]
    assert statuses == [{"entryId": str(n), "status": "SUCCESS"} for n in range(3)]
    assert client.get("/api/v1/loyalty/me", headers=bearer()).json() == {"points": 3}
    shop.dapr.down = True
    statuses = client.post("/events/orders", json=body).json()["statuses"]
    assert [s["status"] for s in statuses] == ["RETRY"] * 3


def test_requests_that_do_not_come_from_the_sidecar_are_refused(shop, client):
    for headers in ({}, {"dapr-api-token": "a guess"}, {"dapr-api-token": "é".encode()}):
        client.headers.pop("dapr-api-token", None)
        answer = client.post("/events/orders", json=shop.dapr.confirm(), headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert client.get("/openapi.json", headers=headers).status_code == 401
    assert not [key for key in shop.dapr.documents if key.startswith("customer/")]
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


NOW = int(time.time())


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "another"},
        {"aud": "another"},
        {"sub": None},
        {"sub": ""},
        {"exp": None},
        {"iat": None},
        {"iat": NOW - 400, "exp": NOW - 100},
        {"iat": NOW + 100, "exp": NOW + 300},
        {"exp": NOW + 3600},
        {"key": Ed25519PrivateKey.generate()},
        {"headers": {"kid": "another"}},
        {"headers": {"jku": "https://example.test/keys"}},
        {"headers": {"typ": "at+jwt"}},
    ],
    ids=str,
)
def test_other_tokens_are_refused(client, changes):
    answer = client.get("/api/v1/loyalty/me", headers=bearer(**changes))
    assert answer.status_code == 401
    assert answer.json()["type"].endswith("/invalid-token")


def test_new_keys_are_fetched_and_old_ones_used_while_users_is_down(shop, client, monkeypatch):
    assert client.get("/api/v1/loyalty/me", headers=bearer()).status_code == 200
    clock = time.monotonic()
    monkeypatch.setattr("loyalty.identity.time.monotonic", lambda: clock)
    shop.dapr.keys["k2"] = Ed25519PrivateKey.generate()
    renewed = bearer(key=shop.dapr.keys["k2"], headers={"kid": "k2"})
    assert client.get("/api/v1/loyalty/me", headers=renewed).status_code == 401, "not twice in a second"
    clock += 2
    assert client.get("/api/v1/loyalty/me", headers=renewed).status_code == 200
    clock += 301
    del shop.dapr.keys["k1"]
    shop.dapr.users_down = True
    assert client.get("/api/v1/loyalty/me", headers=bearer()).status_code == 200
    shop.dapr.users_down = False
    assert client.get("/api/v1/loyalty/me", headers=bearer()).status_code == 401, "the key was withdrawn"


@pytest.mark.parametrize("authorization", ["Bearer x", "Bearer a.b.c", "Basic YTpi", ""])
def test_what_is_no_token_is_refused(client, authorization):
    answer = client.get("/api/v1/loyalty/me", headers={"Authorization": authorization})
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_administrators_list_replay_and_discard_dead_letters(shop, client):
    admin = bearer(roles=["admin"])
    client.post("/events/orders", json=shop.dapr.confirm(amount="many"))
    [item] = client.get(LETTERS, headers=admin).json()["items"]
    assert item.pop("at")
    assert item == {
        "id": "orders:orders:1", "event": "orders/orders/1/0", "type": "order.confirmed", "source": "orders",
        "partition": "orders", "position": 1, "aggregate": "order/o1", "tries": 1,
        "reason": "total: Input should be a valid integer",
    }  # fmt: skip
    path = f"{LETTERS}/{item['id']}"
    replayed = client.post(f"{path}/replay", headers=admin)
    assert (replayed.status_code, replayed.json()["reason"]) == (409, item["reason"])
    assert client.delete(path, headers=admin).status_code == 204
    assert client.delete(path, headers=admin).status_code == 404
    assert client.get(f"{LETTERS}?limit=0", headers=admin).json()["errors"][0]["location"] == "query.limit"


def test_nobody_else_sees_dead_letters(client):
    for method, path in (("GET", ""), ("POST", "/x/replay"), ("DELETE", "/x")):
        assert client.request(method, LETTERS + path).status_code == 401
        assert client.request(method, LETTERS + path, headers=bearer(roles=["staff"])).status_code == 403
    assert client.get("/api/v1/dead-letters/cart", headers=bearer(roles=["admin"])).status_code == 404


def test_a_cursor_is_one_that_a_page_has_named(client):
    for cursor, status in {"": 200, "orders:orders:3": 200, "invented": 422}.items():
        answer = client.get(LETTERS, params={"cursor": cursor}, headers=bearer(roles=["admin"]))
        assert answer.status_code == status


def test_the_dead_letters_of_a_deleted_account_go_too(shop, client):
    client.post("/events/orders", json=shop.dapr.confirm(amount="many"))
    client.post("/events/orders", json=shop.dapr.confirm(amount="many", customer="grace"))
    client.post("/events/users", json=shop.dapr.publish("user.deleted", {"userId": "ada"}))
    items = client.get(LETTERS, headers=bearer(roles=["admin"])).json()["items"]
    assert [item["id"] for item in items] == ["orders:orders:2"]


def test_an_outage_is_said(shop, client):
    message, headers = shop.dapr.confirm(), bearer()
    shop.dapr.down = True
    assert client.post("/events/orders", json=message).json() == {"status": "RETRY"}
    for path in ("/readyz", "/api/v1/loyalty/me"):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert client.get("/healthz").status_code == 200


def test_unknown_paths_are_problems(client):
    answer = client.get("/nothing")
    assert (answer.status_code, answer.json()["type"]) == (404, "https://haberdash.dev/problems/not-found")


def test_the_description_has_the_public_operations(client):
    assert list(client.get("/openapi.json").json()["paths"]) == [
        "/api/v1/loyalty/me",
        "/api/v1/dead-letters/{app}",
        "/api/v1/dead-letters/{app}/{id}/replay",
        "/api/v1/dead-letters/{app}/{id}",
    ]
