"""The words that an AXI4-Stream moved, from a waveform: a value change dump or an FST file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from intinfer.errors import DataError

from .foreign import short_name, text_blocks
from .fst import fst_blocks, is_fst
from .signals import Signal, Signals
from .vcd import TimeStep, ValueChanges, last_name
from .words import ParsedWord, Words, parts_of

CLOCKS = ("aclk", "clk", "clock", "clk_i", "i_clk")
"""Names of a clock that is looked for beside a stream's signals and then outside, in this order."""
RESETS = (
    *("aresetn", "rst_n", "rstn", "resetn", "reset_n", "arst_n", "nrst", "rst_ni", "i_rst_n", "areset_n"),
    *("rst", "reset", "areset", "arst", "rst_i", "i_rst"),
)
"""The same of a reset."""

_LOW = re.compile(r"^n_?(?:a?rst|a?reset)$|(?:n|_b|_l|_ni)$")
_PARTS = ("data", "valid", "ready")
_BEATS = 2**14
"""Words that are collected before they become rows."""


@dataclass(frozen=True)
class Stream:
    """The signals of a stream by name, such as tb.dut.m0_axis_tdata; scopes in front may be left out where only one
    signal is left.

    Attributes:
        prefix: of data, valid and ready, which are `prefix`_tdata, _tvalid and _tready (or .tdata, ... of a structure
            or an interface) unless named.
        clock: None for the first of `CLOCKS` in the scope of the stream, or in the nearest one around it.
        valid_only: there is no ready: each clock edge with valid moves a word.
        reset: None for the first of `RESETS` as for the clock, empty where none is to count.
        reset_active: "low" or "high"; None: low for a name that ends with n, _ni, _b or _l, else high.
    """

    prefix: str | None = None
    data: str | None = None
    valid: str | None = None
    ready: str | None = None
    clock: str | None = None
    valid_only: bool = False
    reset: str | None = None
    reset_active: str | None = None

    @property
    def port(self) -> str | None:
        """The name of the port: the end of the prefix, or of what stands before _tdata or .tdata."""
        whole = self.prefix or re.sub(r"[._]tdata(?:\[[0-9:]*\])?$", "", self.data or "")
        return whole.removesuffix("_").rpartition(".")[2] or None

    def last_names(self, inputs: Sequence[str]) -> frozenset[str]:
        """Names without scopes of all signals that it may need, with `inputs` beside it."""
        fronts = [(self.prefix or "").removesuffix("_").removesuffix("."), *inputs]
        found = {f"{last_name(front)}_t{part}" for front in fronts for part in _PARTS} | {f"t{part}" for part in _PARTS}
        given = [name for name in (self.data, self.valid, self.ready, self.clock, self.reset) if name]
        found |= {last_name(name) for name in given} | {re.sub(r"\[[-0-9:]*\]$", "", last_name(name)) for name in given}
        return frozenset(found | {*CLOCKS, *RESETS})


@dataclass(frozen=True)
class Beats:
    """What a stream moved.

    Attributes:
        words: those after the last reset.
        dropped: words before it.
        reset: time at which the last reset began; None where there is no reset, or none that was ever active.
        reset_name: of the signal; None where there is none.
        inputs: words that each of the ports asked for moved after the last reset; None where one is not in the dump.
        name, width: of the data's signal, and its bits.
    """

    words: Words
    dropped: int
    reset: int | None
    reset_name: str | None
    inputs: dict[str, int] | None
    name: str
    width: int


def read_stream(path: Path, stream: Stream, inputs: Sequence[str] = ()) -> Beats:
    """What the stream's data is at each rising edge of the clock with valid and ready 1; places are times.

    The values just before the edge count: what changes at the time of the edge was caused by it. Before a reset, or
    where there is none before the first word, valid may be unknown; else, and beside a valid of 1, unknown handshakes
    are an error. A reset, as soon as it is active, takes back every word before it, and no word moves while it is.

    Args:
        inputs: ports whose words are counted beside the stream, such as s0_axis for m0_axis.

    Raises DataError for a file that is no waveform, a signal that is not there or not to be made out, or an unknown
    handshake. ModuleNotFoundError for an FST file without the package pylibfst.
    """
    packed = path.suffix.lower() == ".fst" or is_fst(path)
    with closing(fst_blocks(path) if packed else text_blocks(path)) as blocks:  # type: ignore[type-var]
        dump = ValueChanges(blocks, path, stream.last_names(inputs))
        return _Reader(path, dump, stream, inputs).beats()


@dataclass
class _Found:
    """Words as they come; forgotten at a reset."""

    done: list[Words] = field(default_factory=list)
    tokens: list[ParsedWord] = field(default_factory=list)
    count: int = 0
    doubt: str = ""
    """Where it is not known whether a word moved."""
    inputs: Counter[str] = field(default_factory=Counter)
    """Words of each of the inputs."""

    def add(self, token: ParsedWord) -> None:
        self.tokens.append(token)
        self.count += 1
        if len(self.tokens) >= _BEATS:
            self._flush()

    def _flush(self) -> None:
        self.done += parts_of(self.tokens, "beats")
        self.tokens.clear()

    def words(self) -> Words:
        self._flush()
        return Words.of_parts(self.done, "beats")


class _Reader:
    def __init__(self, path: Path, dump: ValueChanges, stream: Stream, inputs: Sequence[str]) -> None:
        self._path, self._dump, self._stream = path, dump, stream
        self._signals = Signals(dump, str(path))
        self._parts = self._stream_signals()
        data = self._parts["data"].name
        clock = self._named(stream.clock, "clock", CLOCKS)
        if clock is None:
            raise DataError(
                f"{path}: no clock ({', '.join(CLOCKS)}) stands in the scope of {short_name(data)!r} or around it; "
                "name it with --clock"
            )
        self._clock = clock
        self._reset = None if stream.reset == "" else self._named(stream.reset, "reset", RESETS)
        self._inputs = self._input_handshakes(inputs)

    def beats(self) -> Beats:
        reset, found = self._reset, _Found()
        active = b"0" if reset is not None and self._reset_low(reset) else b"1"
        handshakes = (self._parts, *(self._inputs or {}).values())
        triggers = [self._clock, *([reset] if reset else [])]
        signals = [*triggers, *(signal for parts in handshakes for signal in parts.values())]
        dropped, began, known = 0, None, False
        clock_code = self._clock.codes[0]
        reset_code = reset.codes[0] if reset else None
        watched = [code for signal in signals for code in signal.codes]
        for step in self._dump.changes(watched, frozenset(signal.codes[0] for signal in triggers)):
            now = self._dump.now
            if step.off and found.count:
                raise DataError(f"{self._path}: time {step.time}: $dumpoff leaves words out; dump the whole run")
            held = reset_code is not None and (step.before.get(reset_code) or now[reset_code]) == active
            known = known or held  # there was a reset
            if step.before.get(clock_code) == b"0" and now[clock_code] == b"1" and not held:
                self._edge(step, now, found, known)
            if reset_code in step.before and now[reset_code] == active and not held:
                dropped, began = dropped + found.count, step.time
                found = _Found()
        if found.doubt:
            raise DataError(f"{self._path}: {found.doubt} is 'x' at a clock edge; drive it 0 or 1")
        counts = None if self._inputs is None else {port: found.inputs[port] for port in self._inputs}
        name = None if reset is None else short_name(reset.name)
        data = self._parts["data"]
        return Beats(found.words(), dropped, began, name, counts, short_name(data.name), data.size)

    def _edge(self, step: TimeStep, now: dict[bytes, bytes], found: _Found, known: bool) -> None:
        """A rising edge of the clock; `known`: after a reset."""
        values = {part: self._parts[part].bit(step.before, now) for part in self._parts if part != "data"}
        if set(values.values()) == {b"1"}:
            found.add(self._parts["data"].token(step.before, now, step.time))
        elif b"0" not in values.values() and (found.count or known or values["valid"] == b"1"):
            unknown = next(part for part, value in values.items() if value == b"x")
            found.doubt = found.doubt or f"time {step.time}: {unknown}"
        for port, parts in (self._inputs or {}).items():
            found.inputs[port] += all(signal.bit(step.before, now) == b"1" for signal in parts.values())

    # ------------------------------------------------------------------------------------------------------- names

    def _stream_signals(self) -> dict[str, Signal]:
        stream = self._stream
        wanted = [part for part in _PARTS if part != "ready" or not stream.valid_only]
        open_parts = [part for part in wanted if getattr(stream, part) is None]
        if open_parts and not stream.prefix:
            more = " (or --valid-only, where there is none)" if open_parts == ["ready"] else ""
            raise DataError(
                f"{self._path}: the stream's {open_parts[0]} is not named; give --signal PREFIX or --{open_parts[0]} "
                f"NAME{more}"
            )
        prefix = self._prefix(open_parts) if open_parts else ""
        return {part: self._signals.signal(getattr(stream, part) or f"{prefix}t{part}", part) for part in wanted}

    def _prefix(self, parts: Sequence[str]) -> str:
        """The full prefix in which the parts are, with _ or . at its end."""
        asked = (self._stream.prefix or "").removesuffix("_").removesuffix(".")
        known = {mark: {p: self._signals.known(f"{asked}{mark}t{p}") for p in parts} for mark in "_."}
        fronts = [
            set.intersection(
                *({full.replace("\\", "")[: -len(f"t{p}")] for full in names} for p, names in each.items())
            )
            for each in known.values()
        ]
        found = sorted(fronts[0] or fronts[1], key=lambda front: (front.count("."), front))
        if not found:
            missing = next((part for part in parts if not any(each[part] for each in known.values())), parts[0])
            more = ", or give --valid-only where there is none" if missing == "ready" else ""
            raise self._signals.missing(f"{asked}_t{missing}", missing, more)
        kinds = {tuple(self._signals.signal(f"{front}t{part}", part).pieces for part in parts) for front in found}
        if len(kinds) > 1:
            names_ = ", ".join(short_name(front[:-1]) for front in found[:3])
            raise DataError(f"{self._path}: {len(found)} streams end with {asked!r}: {names_}; give more of the name")
        return found[0]

    def _named(self, given: str | None, part: str, usual: Sequence[str]) -> Signal | None:
        """The clock or reset: as it is given, or the first of the usual names in the scope of the data, or in the
        nearest one around it."""
        if given:
            return self._signals.signal(given, part)
        scope = self._parts["data"].name.split(".")[:-1]
        fronts = [scope[:depth] for depth in range(len(scope), -1, -1)]
        names = (".".join([*front, name]) for front in fronts for name in usual)
        return next((signal for name in names if (signal := self._signals.one_bit(name)) is not None), None)

    def _reset_low(self, reset: Signal) -> bool:
        if self._stream.reset_active is not None:
            return self._stream.reset_active == "low"
        name = re.sub(r"\[[0-9:]*\]$", "", reset.name).rpartition(".")[2].lower()
        name = re.sub(r"_(?:i|in|o)$", "", name)
        return bool(_LOW.search(name))

    def _input_handshakes(self, ports: Sequence[str]) -> dict[str, dict[str, Signal]] | None:
        """Valid and ready of each port, beside the stream, under the same prefix with another port at its end; None
        where they are not all there."""
        port, data = self._stream.port, self._parts["data"].name
        front, mark = re.sub(r"[._]tdata$", "", data), data[-len("tdata") - 1]
        if not ports or port is None or self._stream.prefix is None or not front.endswith(port):
            return None
        found: dict[str, dict[str, Signal]] = {}
        for name, part in product(ports, ("valid", "ready")):
            signal = self._signals.one_bit(f"{front[: -len(port)]}{name}{mark}t{part}")
            if signal is None:
                return None
            found.setdefault(name, {})[part] = signal
        return found
