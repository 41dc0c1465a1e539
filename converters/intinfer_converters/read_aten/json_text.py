"""JSON of a `.pt2` archive, read strictly: no repeated keys, no endless numbers, items checked one by one."""

from __future__ import annotations

import json
import math
from typing import NoReturn

from intinfer.errors import DataError
from intinfer.files.strict_json import MAX_DIGITS, Json, shown, text

MAX_JSON = 2**28
"""Bytes of one JSON entry."""


def parse(content: bytes, where: str) -> Json:
    """Any JSON, floats included, that is UTF-8 and in which no object has a key twice."""
    if len(content) > MAX_JSON:
        raise DataError(f"{where}: {len(content)} bytes of JSON; at most {MAX_JSON} are read")

    def unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise DataError(f"{where}: a key appears twice in one object")
        return result

    def bounded(digits: str) -> int:
        if len(digits) > MAX_DIGITS:
            raise DataError(f"{where}: an integer of {len(digits)} characters; at most {MAX_DIGITS} are allowed")
        return int(digits)

    def refuse(name: str) -> NoReturn:
        raise DataError(f"{where}: {name} is no JSON")

    try:
        decoded = content.decode("utf-8")
        document: Json = json.loads(decoded, object_pairs_hook=unique, parse_int=bounded, parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise DataError(f"{where}: JSON nested too deep") from None
    return document


def table(item: Json, where: str) -> dict[str, Json]:
    """An object."""
    if not isinstance(item, dict):
        raise DataError(f"{where}: an object is needed, got {shown(item)}")
    return item


def member(item: Json, key: str, where: str) -> Json:
    """One field of an object."""
    fields = table(item, where)
    if key not in fields:
        raise DataError(f"{where}: field {key!r} is missing")
    return fields[key]


def union(item: Json, where: str) -> tuple[str, Json]:
    """The one field of an object that has one."""
    fields = table(item, where)
    if len(fields) != 1:
        raise DataError(f"{where}: an object with one field is needed, got {len(fields)} fields")
    return next(iter(fields.items()))


def boolean(item: Json, where: str) -> bool:
    if not isinstance(item, bool):
        raise DataError(f"{where}: true or false is needed, got {shown(item)}")
    return item


def word(item: Json, where: str) -> str:
    """A printable text of reasonable length that is not empty."""
    result = text(item, where)
    if not result:
        raise DataError(f"{where}: a name is empty")
    return result


def number(item: Json, where: str) -> float:
    """A float; torch writes the three that JSON has no number for as texts."""
    if isinstance(item, str) and item in ("Infinity", "-Infinity", "NaN"):
        return {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}[item]
    if isinstance(item, bool) or not isinstance(item, (int, float)):
        raise DataError(f"{where}: a number is needed, got {shown(item)}")
    return float(item)
