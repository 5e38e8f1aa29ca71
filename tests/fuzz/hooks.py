"""Hooks of Schemathesis: they authenticate requests and count answers. FUZZ_AS is nobody, customer or admin."""

import atexit
import collections
import json
import os

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
