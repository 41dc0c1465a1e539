"""Value change dumps (IEEE 1800, 21.7), read once from front to back."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from math import prod
from pathlib import Path
from typing import NamedTuple

from intinfer.errors import DataError

from .foreign import short

MAX_DEPTH = 256
"""Scopes inside each other."""
MAX_NAME = 4096
"""Characters of a full name."""
MAX_SIGNALS = 2**22
MAX_OTHERS = 5000
"""Names that are kept to be proposed."""

_STREAMS = ("_tdata", "_tvalid", "_tready")
"""Ends of names that are proposed first."""
_INDEX = re.compile(r"\[(-?[0-9]{1,9})(?::(-?[0-9]{1,9}))?\]")
_BRACKETS = re.compile(r"((?:\[-?[0-9]{1,9}(?::-?[0-9]{1,9})?\])+)$")
_SKIPPED = frozenset(
    (b"$comment", b"$date", b"$version", b"$timescale", b"$timezero", b"$vcdclose", b"$attrbegin", b"$attrend")
)
_VALUES = frozenset((b"$dumpvars", b"$dumpall", b"$dumpon", b"$end"))
_NO_NUMBER = ("real", "realtime", "event", "string", "real_parameter", "shortreal")


class Variable(NamedTuple):
    """A declaration: `left` and `right` are the indices that stand behind its name, None without."""

    code: bytes
    size: int
    left: int | None
    right: int | None


class TimeStep(NamedTuple):
    """What changed at a time: the values before and after of what changed, by code; `off` after $dumpoff."""

    time: int
    before: dict[bytes, bytes]
    off: bool


class ValueChanges:
    """A dump as it comes.

    Args:
        blocks: its text in pieces that do not cut tokens.
        wanted: names without scopes that may be asked for; of others, of which a netlist has millions, a few are kept.

    Attributes:
        names: variables by full name without the indices, several where a vector is declared in pieces: those that may
            be asked for, and some others.
        codes: all that changes may name, with their sizes (0: no number).
        now: the values that are watched, by code.

    Raises DataError for anything that is no value change dump.
    """

    def __init__(self, blocks: Iterable[bytes], path: Path, wanted: frozenset[str]) -> None:
        self._path, self._wanted = path, wanted
        self._tokens = chain.from_iterable(block.split() for block in blocks)
        self._time = 0
        self.names: dict[str, dict[Variable, None]] = {}
        self.codes: dict[bytes, int] = {}
        self.now: dict[bytes, bytes] = {}
        self._declare()

    def error(self, what: str) -> DataError:
        """That the file is no value change dump, and why."""
        return DataError(f"{self._path}: is no readable value change dump ({what}); write it with $dumpfile")

    # ------------------------------------------------------------------------------------------------- declarations

    def _declare(self) -> None:
        scope: list[str] = []
        token: bytes | None = None
        for token in self._tokens:
            if token == b"$enddefinitions":
                self._until_end("$enddefinitions")
                return
            if token == b"$scope":
                parts = self._until_end("$scope")
                scope.append(parts[-1] if parts else "")
                if len(scope) > MAX_DEPTH:
                    raise self.error(f"more than {MAX_DEPTH} scopes inside each other")
            elif token == b"$upscope":
                self._until_end("$upscope")
                if not scope:
                    raise self.error("$upscope without $scope")
                scope.pop()
            elif token == b"$var":
                self._variable(self._until_end("$var"), scope)
            elif token in _SKIPPED:
                deque(self._to_end(token.decode("ascii")), maxlen=0)
            else:
                raise self.error(f"{short(token.decode('ascii', 'backslashreplace'))} stands among the declarations")
        raise self.error("it is empty" if token is None else "it ends before $enddefinitions")

    def _until_end(self, what: str) -> list[str]:
        parts: list[str] = []
        for token in self._to_end(what):
            parts.append(token.decode("utf-8", "backslashreplace"))
            if len(parts) > 64 or len(token) > MAX_NAME:
                raise self.error(f"{what} goes on for too long")
        return parts

    def _to_end(self, what: str) -> Iterator[bytes]:
        for token in self._tokens:
            if token == b"$end":
                return
            yield token
        raise self.error(f"{what} without $end")

    def _variable(self, parts: list[str], scope: list[str]) -> None:
        names, codes = self.names, self.codes
        if len(parts) < 4 or not re.fullmatch(r"[0-9]{1,9}", parts[1]):
            raise self.error(f"{short('$var ' + ' '.join(parts))} is not $var type size code name")
        kind, size, code = parts[0], int(parts[1]), parts[2].encode("utf-8")
        name, left, right = _reference(parts[3:], size)
        full = ".".join([*scope, name])
        if len(full) > MAX_NAME or len(codes) > MAX_SIGNALS:
            raise self.error(f"a name of {len(full):,} characters" if len(full) > MAX_NAME else "too many signals")
        asked = last_name(name) in self._wanted or name.endswith(_STREAMS)
        if asked or len(names) < MAX_OTHERS or full in names:
            names.setdefault(full, {})[Variable(code, size, left, right)] = None
        number = 0 if kind in _NO_NUMBER else size
        if codes.setdefault(code, number) != number:
            raise self.error(f"code {short(parts[2])} has signals of {codes[code]} and of {number} bits")

    # ------------------------------------------------------------------------------------------------------ changes

    def changes(self, watched: Iterable[bytes], triggers: frozenset[bytes]) -> Iterator[TimeStep]:
        """The time steps in which a code of `triggers` changes; `now` holds the values of all that are `watched` at the
        end of each."""
        self.now = dict.fromkeys(watched, b"x")
        now, codes, tokens = self.now, self.codes, self._tokens
        before: dict[bytes, bytes] = {}
        off = False
        for token in tokens:
            first = token[:1]
            if first in b"01xXzZuUwWlLhH-":
                code, value = token[1:], first
                if code in now:
                    if codes[code] != 1:
                        raise self.error(f"time {self._time}: one bit for a vector of {codes[code]}")
                    before.setdefault(code, now[code])
                    now[code] = value
                elif code not in codes:
                    raise self._unknown(code)
            elif first == b"#":
                time = self._moment(token)
                if time != self._time:
                    if off or not triggers.isdisjoint(before):
                        yield TimeStep(self._time, before, off)
                        off = False
                    before, self._time = {}, time
            elif first in b"bB":
                code = next(tokens, b"")
                if code in now:
                    before.setdefault(code, now[code])
                    now[code] = self._vector(token[1:], codes[code])
                elif code not in codes:
                    raise self._unknown(code)
            elif first in b"rRsS":
                code = next(tokens, b"")
                if code not in codes or code in now:
                    raise self._unknown(code)
            elif token == b"$dumpoff":
                off = True
            elif token in _SKIPPED:
                deque(self._to_end(token.decode("ascii")), maxlen=0)
            elif token not in _VALUES:
                raise self.error(f"time {self._time}: {short(token.decode('ascii', 'backslashreplace'))} is no change")
        if before or off:
            yield TimeStep(self._time, before, off)

    def _moment(self, token: bytes) -> int:
        digits = token[1:]
        if not digits.isdigit() or len(digits) > 18:
            raise self.error(f"{short(token.decode('ascii', 'backslashreplace'))} is no time")
        time = int(digits)
        if time < self._time:
            raise self.error(f"time {time} comes after {self._time}")
        return time

    def _vector(self, value: bytes, size: int) -> bytes:
        if not value or len(value) > size or value.translate(None, b"01xXzZuUwWlLhH-"):
            text = short(value.decode("ascii", "backslashreplace"))
            raise self.error(f"time {self._time}: {text} is no value of {size} bits")
        return value

    def _unknown(self, code: bytes) -> DataError:
        return self.error(
            f"time {self._time}: no signal has the code {short(code.decode('ascii', 'backslashreplace'))}"
        )


def last_name(name: str) -> str:
    """What stands behind the last dot, without the backslash of an escaped name."""
    return name.replace("\\", "").rpartition(".")[2]


def _reference(parts: list[str], size: int) -> tuple[str, int | None, int | None]:
    """Name and indices of a variable: `d [7:0]`, `d[7:0]`, `d [3]`, `d`; other indices belong to the name."""
    name = parts[0]
    brackets = "".join(parts[1:])
    if not brackets and (found := _BRACKETS.search(name)) and found.start():
        name, brackets = name[: found.start()], found[1]
    groups = [(int(m[1]), int(m[2] or m[1])) for m in _INDEX.finditer(brackets)]
    texts = [m[0] for m in _INDEX.finditer(brackets)]
    if "".join(texts) != brackets or not groups:
        return name + brackets, None, None
    left, right = groups[-1]
    if abs(left - right) + 1 == size:
        return name + "".join(texts[:-1]), left, right
    for number in range(len(groups)):
        if prod(abs(one - other) + 1 for one, other in groups[number:]) == size:  # a packed array, whole
            return name + "".join(texts[:number]), size - 1, 0
    return name + brackets, None, None
