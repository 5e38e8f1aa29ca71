"""Hooks of Schemathesis: they authenticate requests and count answers. FUZZ_AS is nobody, customer or admin."""

import atexit
import collections
import json
import os
import random

import requests
import schemathesis

SHOP = os.environ["FUZZ_SHOP"]
AS = os.environ["FUZZ_AS"]
EMAIL, PASSWORD = os.environ["FUZZ_EMAIL"], os.environ["FUZZ_PASSWORD"]

# These operations end the session or the account of the caller. Each of them gets an account of its own, so that the
# session of the other operations stays valid.
ENDS_SESSION = {"logout", "delete-me", "end-session", "change-password", "reset-password"}


# How often each operation answered with each status. main.go reports the operations that never succeeded.
tally = collections.defaultdict(collections.Counter)


@atexit.register
def report():
    with open("tally.json", "w") as file:
        json.dump(tally, file)


# The name under which ambiguous bodies are counted, beside the operations.
AMBIGUOUS = "ambiguous bodies"


def post(path, body):
    answer = requests.post(SHOP + "/api/v1/auth/" + path, json=body, timeout=20)
    answer.raise_for_status()
    return answer.json()


def sign_in(email, password):
    return post("login", {"email": email, "password": password})["accessToken"]


def sign_in_new_account():
    email = os.urandom(8).hex() + "@example.test"
    post("register", {"email": email, "password": PASSWORD, "name": "Throwaway"})
    return sign_in(email, PASSWORD)


def operation_id(case):
    return case.operation.definition.raw.get("operationId", "")


def account(case, context):
    name = operation_id(case)
    return name if name in ENDS_SESSION else "main"


@schemathesis.serializer("application/x-ndjson", "text/csv")
def text(context, value):
    return value if isinstance(value, bytes) else str(value).encode()


if AS != "nobody":

    # Access tokens are valid for ten minutes.
    @schemathesis.auth(refresh_interval=300, cache_by_key=account, retry_on=[])
    class Bearer:
        def get(self, case, context):
            if account(case, context) == "main":
                return sign_in(EMAIL, PASSWORD)
            return sign_in_new_account()

        def set(self, case, data, context):
            case.headers["Authorization"] = "Bearer " + data


@schemathesis.hook
def before_call(context, case, kwargs):
    # A read-only shop would refuse all later writes with 503.
    if operation_id(case) == "set-read-only" and isinstance(case.body, dict) and case.body.get("readOnly") is True:
        case.body["readOnly"] = False


@schemathesis.hook
def after_call(context, case, response):
    tally[operation_id(case)][response.status_code] += 1


def members(value):
    """Yields the object and the name of each member of a JSON value, at any depth."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield value, name
            yield from members(member)
    elif isinstance(value, list):
        for element in value:
            yield from members(element)


class Pairs(dict):
    """An object that json.dumps writes with the given members, in which a name may come twice."""

    def __init__(self, pairs):
        super().__init__(pairs)
        self.pairs = pairs

    def items(self):
        return self.pairs


def ambiguous(body, rng):
    """Returns the body with one member twice, and with the name of one member in another case."""
    found = list(members(body))
    parent, name = found[rng.randrange(len(found))]
    renamed = rng.choice([name.upper(), name.capitalize()])
    twice, cased = [], []
    for key, value in parent.items():
        twice.append((key, value))
        cased.append((renamed if key == name else key, value))
        if key == name:
            twice.append((key, rng.choice([value, None, "x"])))
    for pairs in (twice, cased):
        if len(pairs) > len(parent) or renamed != name:
            yield json.dumps(replaced(body, parent, Pairs(pairs)))


def replaced(value, old, new):
    """Returns the value with the object old replaced by new."""
    if value is old:
        return new
    if isinstance(value, dict):
        return {name: replaced(member, old, new) for name, member in value.items()}
    if isinstance(value, list):
        return [replaced(element, old, new) for element in value]
    return value


@schemathesis.check
def ambiguous_bodies_are_refused(context, response, case):
    """A body that was accepted is refused with a member twice, or with the name of a member in another case."""
    request = response.request
    if response.status_code >= 300 or not request.body or request.method == "OPTIONS":  # its body is ignored
        return
    if "json" not in request.headers.get("Content-Type", "") or "ndjson" in request.headers["Content-Type"]:
        return
    body = json.loads(request.body)
    if not any(True for _ in members(body)):
        return
    for text in ambiguous(body, random.Random(request.body)):
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("content-length", "idempotency-key")}
        if "Idempotency-Key" in request.headers:
            headers["Idempotency-Key"] = os.urandom(8).hex()  # an earlier answer is not repeated
        answer = requests.request(request.method, request.url, data=text.encode(), headers=headers, timeout=20)
        tally[AMBIGUOUS][answer.status_code] += 1
        if answer.status_code not in (400, 422):
            raise AssertionError(f"{answer.status_code} for the ambiguous body {text[:500]}: {answer.text[:300]}")
