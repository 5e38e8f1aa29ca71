"""Verifies the access tokens of the shop's users with the public keys of the app users, without asking it each time."""

import asyncio
import time
from dataclasses import dataclass

import jwt

from .sidecar import Sidecar, UnavailableError

ISSUER, AUDIENCE = "haberdash", "haberdash-api"
MAX_LIFE_SECONDS = 600
LEEWAY_SECONDS = 5
MAX_AGE_SECONDS = 300  # of the keys, so that one that was withdrawn is not used for long


@dataclass(frozen=True)
class Caller:
    user: str
    roles: tuple[str, ...]


class Verifier:
    """Verifies tokens. It fetches the keys when they are old, and for a key that it does not know."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._fetching = asyncio.Lock()

    async def verify(self, token: str) -> Caller:
        """Return the caller. Errors: jwt.InvalidTokenError, and UnavailableError while the keys cannot be read."""
        header = jwt.get_unverified_header(token)
        if not header.keys() <= {"alg", "kid", "typ"} or header.get("typ", "JWT") != "JWT":
            raise jwt.InvalidTokenError("the header is not that of an access token")
        claims = jwt.decode(
            token,
            await self._key(header.get("kid", "")),
            algorithms=["EdDSA"],
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "aud", "sub", "iat", "exp"]},
        )
        if not claims["sub"] or claims["exp"] - claims["iat"] > MAX_LIFE_SECONDS:
            raise jwt.InvalidTokenError("the token has no subject, or is valid for too long")
        return Caller(claims["sub"], tuple(claims.get("roles") or ()))

    async def _key(self, kid: str) -> jwt.PyJWK:
        async with self._fetching:
            age = time.monotonic() - self._fetched
            if age > MAX_AGE_SECONDS or (kid not in self._keys and age > 1):  # made-up key ids do not flood users
                try:
                    found = await self._sidecar.get("users", ".well-known/jwks.json")
                    self._keys = {k["kid"]: jwt.PyJWK(k, "EdDSA") for k in found["keys"] if k.get("crv") == "Ed25519"}
                    self._fetched = time.monotonic()
                except UnavailableError:
                    if kid not in self._keys:
                        raise
        if kid not in self._keys:
            raise jwt.InvalidTokenError("the key of the token is unknown")
        return self._keys[kid]
