"""The three roles and how a request says which one it is."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from enum import Enum

from deploy.local.clickhouse.errors import ClickHouseError, Code


class Role(Enum):
    """`admin` changes the schema, `writer` adds and deletes rows, `reader` reads. None reaches the host."""

    ADMIN = "admin"
    WRITER = "writer"
    READER = "reader"


class Accounts:
    """Passwords by role."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._passwords = {role: passwords[role.value].encode() for role in Role}

    def role(self, headers: Mapping[str, str], parameters: Mapping[str, str]) -> Role:
        """Who asks, from X-ClickHouse-User/-Key, Basic authorization, or `user`/`password`. Raises ClickHouseError 194 or 516."""
        user, password = _credentials(headers, parameters)
        if user is None:
            raise ClickHouseError.of(
                Code.REQUIRED_PASSWORD, "no user given; sign in as admin, writer or reader (passwords: secrets.json of the state folder)"
            )
        # the comparison runs for an unknown name too, so that time does not tell which names exist
        expected = b"\0unknown"
        known = None
        for role in Role:
            if user == role.value:
                known, expected = role, self._passwords[role]
        if hmac.compare_digest(password.encode(errors="surrogateescape"), expected) and known is not None:
            return known
        raise ClickHouseError.of(
            Code.AUTHENTICATION_FAILED, f"{user[:64]}: Authentication failed: password is incorrect, or there is no user with such name."
        )


def _credentials(headers: Mapping[str, str], parameters: Mapping[str, str]) -> tuple[str | None, str]:
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user"), headers.get("x-clickhouse-key", "")
    authorization = headers.get("authorization", "")
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ClickHouseError.of(Code.AUTHENTICATION_FAILED, "the Authorization header is no valid Basic authorization") from None
        return user, password
    if authorization:
        raise ClickHouseError.of(Code.AUTHENTICATION_FAILED, f"authorization scheme {scheme[:32]!r} is not supported; use Basic")
    if "user" in parameters:
        return parameters["user"], parameters.get("password", "")
    return None, ""
