"""Canonical JSON, read without benefit of the doubt: the header of `model.npz`.

Canonical: UTF-8, keys sorted by code point, no spaces, no escape that is not needed, integers only. A text that
is not exactly what `dump` gives for its content is refused. The small readers below (`record`, `items`,
`integer`, `text`) check the type of one item and name it by its path, like `nodes[3].attributes.groups`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from typing import NoReturn

import numpy as np

from ..errors import ModelFileError
from ..limits import MAX_TEXT
from ..types import LIMIT

Json = dict[str, "Json"] | list["Json"] | str | int | bool | None

MAX_DEPTH = 16
MAX_DIGITS = 20
"""Characters of an integer: the bounds ±2^62 have at most 20."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A string, or the rest of the text when it does not end: possessive, so that nothing is ever tried twice."""
_STEP = np.zeros(256, dtype=np.int8)
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1


def dump(document: Json) -> bytes:
    """The canonical text."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def parse(text: bytes) -> Json:
    """Read any JSON without floats, repeated keys, deep nesting or long integers. Not yet proven canonical."""
    if extent(text)[0] > MAX_DEPTH:
        raise ModelFileError(f"header: nested deeper than {MAX_DEPTH} levels")
    try:
        document: Json = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_bounded_int,
            parse_float=_no_float,
            parse_constant=_no_float,
        )
    except UnicodeDecodeError as error:
        raise ModelFileError(f"header: not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ModelFileError(f"header: not JSON: {error.msg} at character {error.pos}") from None
    return document


def check_canonical(document: Json, text: bytes) -> None:
    """Refuse a text that `dump` would have written otherwise."""
    try:
        canonical = dump(document)
    except UnicodeEncodeError:
        raise ModelFileError("header: a string holds half of a surrogate pair, which is no character") from None
    if canonical != text:
        pairs = enumerate(zip(canonical, text, strict=False))
        at = next((i for i, (a, b) in pairs if a != b), min(len(canonical), len(text)))
        raise ModelFileError(
            f"header: JSON is not canonical at byte {at}; keys are sorted, nothing is spaced or escaped without need"
        )


def record(item: Json, where: str, keys: Collection[str]) -> dict[str, Json]:
    """An object with exactly `keys`."""
    if not isinstance(item, dict):
        raise ModelFileError(f"{where}: an object is needed, got {shown(item)}")
    for key in sorted(set(keys) - set(item)):
        raise ModelFileError(f"{where}: field {key!r} is missing")
    for key in sorted(set(item) - set(keys)):
        raise ModelFileError(f"{where}: unknown field {shown(key)}")
    return item


def items(item: Json, where: str, limit: int) -> list[Json]:
    """A list of at most `limit` items."""
    if not isinstance(item, list):
        raise ModelFileError(f"{where}: a list is needed, got {shown(item)}")
    if len(item) > limit:
        raise ModelFileError(f"{where}: {len(item)} items, at most {limit} are allowed")
    return item


def integer(item: Json, where: str, lo: int = -LIMIT, hi: int = LIMIT) -> int:
    """An int (a bool is none) in lo..hi."""
    if type(item) is not int:
        raise ModelFileError(f"{where}: an integer is needed, got {shown(item)}")
    if not lo <= item <= hi:
        raise ModelFileError(f"{where}: {shown(item)} is outside {lo}..{hi}")
    return item


def text(item: Json, where: str, limit: int = MAX_TEXT, lines: bool = False) -> str:
    """A string of at most `limit` printable characters; line feeds only where `lines` allows them."""
    if type(item) is not str:
        raise ModelFileError(f"{where}: a string is needed, got {shown(item)}")
    if len(item) > limit:
        raise ModelFileError(f"{where}: {len(item)} characters, at most {limit} are allowed")
    if not (item.replace("\n", "") if lines else item).isprintable():
        raise ModelFileError(f"{where}: {shown(item)} holds a character that cannot be printed")
    return item


def choice(item: Json, where: str, allowed: Sequence[str]) -> str:
    """Read one of the strings `allowed`."""
    if type(item) is not str or item not in allowed:
        raise ModelFileError(f"{where}: {shown(item)} is unknown; allowed are {', '.join(allowed)}")
    return item


def shown(item: object) -> str:
    """A short form of an item for messages; a list or an object is only named."""
    if isinstance(item, str):
        return repr(item if len(item) <= 60 else item[:57] + "...")
    if item is None or isinstance(item, bool):
        return json.dumps(item)
    if isinstance(item, int):
        return str(item) if item.bit_length() < 128 else f"an integer of {item.bit_length()} bits"
    if isinstance(item, (dict, list)):
        return "an object" if isinstance(item, dict) else "a list"
    return f"a Python {type(item).__name__}"


def extent(text: bytes) -> tuple[int, int]:
    """Levels of a JSON text, and an upper bound of its values.

    Known before parsing, because the parser recurses and takes memory. Linear in the length, whatever the text is.
    """
    bare = _STRING.sub(b"", text)
    steps = _STEP[np.frombuffer(bare, dtype=np.uint8)]
    depth = np.cumsum(steps[steps != 0], dtype=np.int32)
    return max(0, int(depth.max(initial=0))), 1 + sum(bare.count(mark) for mark in (b",", b":", b"[", b"{"))


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ModelFileError(f"header: key {shown(twice)} appears twice in one object")
    return result


def _bounded_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ModelFileError(f"header: an integer of {len(digits)} characters; at most {MAX_DIGITS} are allowed")
    return int(digits)


def _no_float(number: str) -> NoReturn:
    raise ModelFileError(f"header: {number[:40]} is not an integer; there are no other numbers in a model file")
