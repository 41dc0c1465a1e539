"""The words that an AXI4-Stream moved, from a value change dump (IEEE 1800, 21.7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from intinfer.errors import DataError

from .read import check_file
from .words import Token, Words

if TYPE_CHECKING:
    from vcd.reader import Token as VcdToken

CLOCKS = ("aclk", "clk", "clock", "clk_i", "i_clk")
"""Names of a clock that is looked for beside a stream's signals and then outside, in this order."""

_PARTS = {"data": "_tdata", "valid": "_tvalid", "ready": "_tready"}


@dataclass(frozen=True)
class Stream:
    """The signals of a stream by full name, such as tb.dut.m0_axis_tdata.

    Attributes:
        prefix: of data, valid and ready, which are `prefix`_tdata, _tvalid and _tready unless named.
        clock: None for the first of `CLOCKS` in the scope of the stream, or in the nearest one around it.
    """

    prefix: str | None = None
    data: str | None = None
    valid: str | None = None
    ready: str | None = None
    clock: str | None = None


def read_stream(path: Path, stream: Stream) -> Words:
    """What the stream's data is at each rising edge of the clock with valid and ready 1; places are times.

    The values just before the edge count: what changes at the time of the edge was caused by it. Until the first word
    valid and ready may be unknown (before a reset); after it that is an error.

    Raises DataError for a file that is no value change dump, a signal that is not there, or an unknown handshake.
    ModuleNotFoundError without the package pyvcd.
    """
    from vcd.reader import VCDParseError

    check_file(path)
    try:
        return Words.of_tokens(_Reader(path, stream).beats(), unit="time")
    except DataError:
        raise
    except (VCDParseError, ValueError, UnicodeDecodeError, AssertionError) as error:
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise DataError(f"{path}: is no readable value change dump ({reason}); write it with $dumpfile") from None


class _Reader:
    def __init__(self, path: Path, stream: Stream) -> None:
        self._path, self._stream = path, stream
        self._ids: dict[str, str] = {}  # full name -> the identifier of its changes
        self._values: dict[str, int | str] = {}
        self._sizes: dict[str, int] = {}
        self._size = 0

    def beats(self) -> Iterator[Token]:
        from vcd.reader import TokenKind, tokenize

        with open(self._path, "rb") as file:
            tokens = tokenize(file)
            self._declarations(tokens)
            names = self._signals()
            self._size = self._sizes[names["data"]]
            wanted = {part: self._ids[name] for part, name in names.items()}
            self._values = dict.fromkeys(wanted.values(), "x")
            time, before, moved = 0, dict(self._values), False
            for token in tokens:
                if token.kind is TokenKind.CHANGE_TIME:
                    beat = self._beat(wanted, before, time, moved)
                    if beat is not None:
                        moved = True
                        yield beat
                    time, before = token.time_change, dict(self._values)
                elif token.kind is TokenKind.CHANGE_SCALAR and token.scalar_change.id_code in self._values:
                    self._values[token.scalar_change.id_code] = token.scalar_change.value
                elif token.kind is TokenKind.CHANGE_VECTOR and token.vector_change.id_code in self._values:
                    self._values[token.vector_change.id_code] = token.vector_change.value
            beat = self._beat(wanted, before, time, moved)
            if beat is not None:
                yield beat

    def _declarations(self, tokens: Iterator[VcdToken]) -> None:
        from vcd.reader import TokenKind

        scope: list[str] = []
        for token in tokens:
            if token.kind is TokenKind.ENDDEFINITIONS:
                return
            if token.kind is TokenKind.SCOPE:
                scope.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE and scope:
                scope.pop()
            elif token.kind is TokenKind.VAR:
                name = ".".join([*scope, token.var.reference])
                self._ids[name], self._sizes[name] = token.var.id_code, token.var.size

    def _signals(self) -> dict[str, str]:
        """Full names of data, valid, ready and clock."""
        stream = self._stream
        names = {}
        for part, ending in _PARTS.items():
            given = getattr(stream, part) or (stream.prefix and stream.prefix.removesuffix("_") + ending)
            if given is None:
                raise DataError(
                    f"{self._path}: the stream's {part} is not named; give --signal PREFIX or --{part} NAME"
                )
            names[part] = self._known(given, part)
        names["clock"] = self._known(stream.clock, "clock") if stream.clock else self._clock(names["data"])
        for part in ("valid", "ready", "clock"):
            if self._sizes[names[part]] != 1:
                raise DataError(
                    f"{self._path}: signal {names[part]!r} has {self._sizes[names[part]]} bits, {part} has 1; "
                    f"name another with --{part}"
                )
        return names

    def _known(self, name: str, part: str) -> str:
        if name not in self._ids:
            near = get_close_matches(name, self._ids, n=3) or sorted(self._ids)[:3]
            close = f"close names: {', '.join(near)}" if near else "it has no signals"
            raise DataError(f"{self._path}: has no signal {name!r}; {close}; or name it with --{part}")
        return name

    def _clock(self, data: str) -> str:
        scope = data.split(".")[:-1]
        while scope:
            for name in CLOCKS:
                if ".".join([*scope, name]) in self._ids:
                    return ".".join([*scope, name])
            scope.pop()
        raise DataError(
            f"{self._path}: no clock ({', '.join(CLOCKS)}) stands in the scope of {data!r} or around it; "
            "name it with --clock"
        )

    def _beat(self, wanted: dict[str, str], before: dict[str, int | str], time: int, moved: bool) -> Token | None:
        """The word that moves at the end of a time step, if any."""
        if str(before[wanted["clock"]]) != "0" or str(self._values[wanted["clock"]]) != "1":
            return None
        handshake = {part: str(before[wanted[part]]) for part in ("valid", "ready")}
        if "0" in handshake.values():
            return None
        for part, value in handshake.items():
            if value != "1":
                if moved:
                    raise DataError(f"{self._path}: time {time}: {part} is {value!r} at a clock edge; drive it 0 or 1")
                return None
        return _token(before[wanted["data"]], self._size, time)


def _token(value: int | str, size: int, time: int) -> Token:
    """A word of a signal of `size` bits; leading X and Z of a shorter value go up to there."""
    if isinstance(value, int):
        return Token(value, 0, f"{value:x}", time)
    known = value.translate(str.maketrans("lLhH", "0011"))
    bits = "".join(bit if bit in "01" else "0" for bit in known)
    unknown = "".join("0" if bit in "01" else "1" for bit in known)
    unknown = unknown.rjust(size, unknown[0])
    return Token(int(bits, 2), int(unknown, 2), value, time)
