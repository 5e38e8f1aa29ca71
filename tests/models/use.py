"""What a consumer does with the generated models: the type of a message decides the type of its data.

Reads the message of docs/contract.md from the standard input.
"""

import sys
from typing import Annotated, Union

from events import OrderConfirmed, ReturnReceived
from pydantic import Field, TypeAdapter, ValidationError

messages = TypeAdapter(Annotated[Union[OrderConfirmed, ReturnReceived], Field(discriminator="type")])


def points(text: bytes) -> int:
    """The points that a customer gets for a message, or loses."""
    match messages.validate_json(text):
        case OrderConfirmed() as confirmed:
            return confirmed.data.data.total.amount
        case ReturnReceived() as received:
            return -received.data.data.owed


text = sys.stdin.buffer.read()
assert points(text) == 4748, points(text)
try:
    points(text.replace(b'"amount": 4748', b'"amount": "much"'))
except ValidationError:
    pass
else:
    raise AssertionError("the models accept an amount that is no number")
