"""Names of a waveform: signals joined from the pieces they are declared in, and found by the end of their names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from intinfer.errors import DataError, close_names

from .foreign import short_name
from .vcd import MAX_OTHERS, ValueChanges, Variable, last_name
from .words import ParsedWord

MAX_BITS = 2**16
_SLICE = re.compile(r"(.*)\[(-?[0-9]{1,9})(?::(-?[0-9]{1,9}))?\]$", re.DOTALL)
_TO_BITS = bytes.maketrans(b"lLhHXzZuUwW-", b"0011xxxxxxxx")
_BITS = {bytes([char]): bytes([char]).translate(_TO_BITS) for char in b"01lLhHxXzZuUwW-"}
_SHOWN = 3


@dataclass(frozen=True)
class Signal:
    """A vector of `size` bits: `pieces` (code, bits, place of the lowest), the highest first."""

    name: str
    size: int
    pieces: tuple[tuple[bytes, int, int], ...]

    @property
    def codes(self) -> tuple[bytes, ...]:
        """The codes of its pieces, the highest first."""
        return tuple(code for code, _, _ in self.pieces)

    def bit(self, before: dict[bytes, bytes], now: dict[bytes, bytes]) -> bytes:
        """The value of a signal of one bit: 0, 1 or x before what has changed."""
        code = self.pieces[0][0]
        return _BITS[before.get(code) or now[code]]

    def bits(self, before: dict[bytes, bytes], now: dict[bytes, bytes]) -> str:
        """Its `size` digits 0, 1 and x before what has changed."""
        values = [
            ((before.get(code) or now[code]).translate(_TO_BITS).decode("ascii"), size) for code, size, _ in self.pieces
        ]
        return "".join(value.rjust(size, "x" if value[0] == "x" else "0") for value, size in values)

    def token(self, before: dict[bytes, bytes], now: dict[bytes, bytes], time: int) -> ParsedWord:
        """The word that it holds before what has changed, at `time`."""
        if len(self.pieces) == 1:
            code = self.pieces[0][0]
            value = before.get(code) or now[code]
            if not value.translate(None, b"01"):
                return ParsedWord(int(value, 2), 0, "", time)
        bits = self.bits(before, now)
        if "x" not in bits:
            return ParsedWord(int(bits, 2), 0, "", time)
        return ParsedWord(int(bits.replace("x", "0"), 2), int(bits.replace("1", "0").replace("x", "1"), 2), bits, time)


class Signals:
    """The signals of a dump.

    A name may leave out scopes at its front where only one signal is left that ends with it. Signals that share their
    codes are one. The backslash of an escaped name may be left out, too.
    """

    def __init__(self, dump: ValueChanges, where: str) -> None:
        self._names, self._codes, self._where = dump.names, dump.codes, where
        self._by_end: dict[str, list[str]] = {}
        for name in self._names:
            self._by_end.setdefault(last_name(name), []).append(name)

    def known(self, name: str) -> list[str]:
        """The full names that a name may stand for: itself, or those that end with it."""
        if name in self._names:
            return [name]
        plain = name.replace("\\", "")
        ends = {full: f".{full}".replace("\\", "") for full in self._by_end.get(last_name(name), ())}
        found = [full for full, bare in ends.items() if bare == f".{plain}"]
        return found or [full for full, bare in ends.items() if bare.endswith(f".{plain}")]

    def signal(self, name: str, part: str) -> Signal:
        """The signal that a name stands for; `NAME[7]` and `NAME[7:0]` are one of the pieces it is declared in.

        Raises DataError when there is none or several, or pieces that do not make one.
        """
        found = [self._joined(full) for full in self.known(name)] or self._pieces(name)
        if not found:
            raise self.missing(name, part)
        if len({signal.pieces for signal in found}) > 1:
            names = ", ".join(short_name(signal.name) for signal in found[:_SHOWN])
            raise DataError(f"{self._where}: {len(found)} signals end with {name!r}: {names}; give more of the name")
        chosen = min(found, key=lambda signal: (signal.name.count("."), signal.name))
        if chosen.size > MAX_BITS:
            raise DataError(f"{self._where}: signal {name!r} has {chosen.size:,} bits, more than {MAX_BITS:,}")
        if chosen.size != 1 and part != "data":
            raise DataError(
                f"{self._where}: signal {short_name(chosen.name)!r} has {chosen.size} bits, {part} has 1; name another "
                f"with --{part}"
            )
        return chosen

    def one_bit(self, name: str) -> Signal | None:
        """The signal of a full name; None where there is none, or one of several bits."""
        signal = self._joined(name) if name in self._names else None
        return signal if signal is not None and signal.size == 1 else None

    def missing(self, name: str, part: str, more: str = "") -> DataError:
        """That a signal is not there, with names that are close to it, and the ways out."""
        few = [*self._by_end.get(last_name(name), ()), *self._names][:MAX_OTHERS]
        near = ", ".join(map(short_name, close_names(name, sorted(few))))
        close = f"close names: {near}" if near else "it has no signals"
        return DataError(f"{self._where}: has no signal {short_name(name)!r}; {close}; or name it with --{part}{more}")

    def _pieces(self, name: str) -> list[Signal]:
        """The piece that is declared with the indices of a name; none without indices."""
        asked = _SLICE.match(name)
        if asked is None:
            return []
        left, right = int(asked[2]), int(asked[3] or asked[2])
        return [
            Signal(f"{full}{name[len(asked[1]) :]}", piece.size, ((piece.code, piece.size, 0),))
            for full in self.known(asked[1])
            for piece in self._names[full]
            if (piece.left, piece.right) == (left, right) and self._codes[piece.code]
        ]

    def _joined(self, name: str) -> Signal:
        pieces = list(self._names[name])
        shown = short_name(name)
        if any(not self._codes[piece.code] for piece in pieces):
            raise DataError(f"{self._where}: signal {shown!r} is no number of bits; name another")
        if len({piece.code for piece in pieces}) == 1 and all(piece.left is None for piece in pieces):
            return Signal(name, pieces[0].size, ((pieces[0].code, pieces[0].size, 0),))
        if any(piece.left is None for piece in pieces):
            raise DataError(
                f"{self._where}: signal {shown!r} is declared {len(pieces)} times with different contents; dump one of "
                "them, or name another"
            )
        return self._in_order(name, shown, pieces)

    def _in_order(self, name: str, shown: str, pieces: list[Variable]) -> Signal:
        """Pieces with indices side by side. Bit 0 is the lowest, unless ranges go up: then it is the highest."""
        ranges = [(piece.left or 0, piece.right or 0) for piece in pieces]
        up = any(left < right for left, right in ranges)
        if up and any(left > right for left, right in ranges):
            raise DataError(f"{self._where}: signal {shown!r} has ranges that go up and down; dump it whole")
        spans = sorted((min(ends), max(ends), piece) for ends, piece in zip(ranges, pieces, strict=True))
        written = [
            f"[{piece.left}]" if piece.left == piece.right else f"[{piece.left}:{piece.right}]"
            for _, _, piece in (spans if up else spans[::-1])
        ]
        if spans[0][0] != 0:
            raise DataError(
                f"{self._where}: of signal {shown!r} only {', '.join(written[:_SHOWN])} is declared, bit 0 is missing; "
                f"dump it whole, or name the piece with its indices: {shown}{written[0]}"
            )
        size = 0
        for low, high, _ in spans:
            if low != size:
                what = "twice" if low < size else "not at all"
                raise DataError(
                    f"{self._where}: bit {min(low, size)} of signal {shown!r} is declared {what}; dump it whole"
                )
            size = high + 1
        found = [(piece.code, piece.size, size - 1 - high if up else low) for low, high, piece in spans]
        return Signal(name, size, tuple(found if up else found[::-1]))
