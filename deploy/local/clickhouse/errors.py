"""ClickHouse exceptions: code, name and text as its HTTP interface writes them, and the HTTP status of each code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum


class Code(IntEnum):
    """Error codes that this front raises itself; names and numbers are ClickHouse's."""

    BAD_ARGUMENTS = 36
    NOT_IMPLEMENTED = 48
    SYNTAX_ERROR = 62
    UNKNOWN_FORMAT = 73
    UNKNOWN_SETTING = 115
    TIMEOUT_EXCEEDED = 159
    READONLY = 164
    TOO_MANY_SIMULTANEOUS_QUERIES = 202
    SOCKET_TIMEOUT = 209
    MEMORY_LIMIT_EXCEEDED = 241
    UNKNOWN_COMPRESSION_METHOD = 89
    CHECKSUM_DOESNT_MATCH = 40
    CANNOT_DECOMPRESS = 271
    CORRUPTED_DATA = 246
    ABORTED = 236
    QUERY_WAS_CANCELLED = 394
    SETTING_CONSTRAINT_VIOLATION = 452
    ACCESS_DENIED = 497
    AUTHENTICATION_FAILED = 516
    REQUIRED_PASSWORD = 194
    QUERY_IS_TOO_LARGE = 306
    TOO_LARGE_STRING_SIZE = 131
    LIMIT_EXCEEDED = 290
    STD_EXCEPTION = 1001
    UNKNOWN_EXCEPTION = 1002


_TEXT = re.compile(r"Code: (\d+)\. (?:DB::)?Exception: ", re.IGNORECASE)
_VERSION = re.compile(r" \(version [^()]*(?:\([^()]*\))?[^()]*\)")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)\s*$")

# The table of ClickHouse's src/Server/HTTP/exceptionCodeToHTTPStatus.cpp, and the codes of this front's own refusals: a body or a setting
# that is wrong is 400, a full server 503 (clients ask again). What is not listed is 500.
_STATUS = {
    400: (
        6,
        8,
        15,
        25,
        26,
        27,
        36,
        37,
        38,
        41,
        44,
        53,
        62,
        72,
        117,
        123,
        167,
        168,
        223,
        321,
        376,
        427,
        441,
        675,
        676,
        89,
        40,
        271,
        452,
        456,
        457,
    ),
    401: (194,),
    403: (192, 193, 497, 512, 516),
    404: (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511),
    408: (159,),
    411: (381,),
    413: (290, 306),
    415: (779,),
    501: (48,),
    503: (76, 202, 209, 439),
}
_STATUS_OF = {code: status for status, codes in _STATUS.items() for code in codes}


@dataclass
class ClickHouseError(Exception):
    """An exception that a client sees: numeric code, symbolic name, text without either."""

    code: int
    name: str
    text: str

    @classmethod
    def of(cls, code: Code, text: str) -> ClickHouseError:
        """One of the front's own."""
        return cls(int(code), code.name, text)

    @classmethod
    def from_engine(cls, raw: str) -> ClickHouseError:
        """The engine's exception from its message, `Code: N. DB::Exception: text. (NAME)`, nested ones flattened to the outermost code."""
        text = _VERSION.sub("", raw).strip()
        found = _TEXT.search(text)
        if found is None:
            return cls(int(Code.UNKNOWN_EXCEPTION), Code.UNKNOWN_EXCEPTION.name, text)
        code = int(found.group(1))
        text = text[found.end() :]
        nested = _TEXT.match(text)
        if nested is not None:
            text = text[nested.end() :]
        tail = _NAME.search(text)
        if tail is None:
            return cls(code, Code.UNKNOWN_EXCEPTION.name, text)
        name = tail.group(1)
        # a nested exception repeats the name
        while text.endswith((f"({name})", f"({name}).")):
            text = text[: text.rindex("(")].rstrip()
        return cls(code, name, text)

    @property
    def status(self) -> int:
        """HTTP status."""
        return _STATUS_OF.get(self.code, 500)

    def body(self, version: str) -> bytes:
        """The text of the response, as ClickHouse's server writes it."""
        return f"Code: {self.code}. DB::Exception: {self.text} ({self.name}) (version {version} (official build))\n".encode(
            errors="replace"
        )

    def __str__(self) -> str:
        return f"Code: {self.code}. {self.text} ({self.name})"
