"""How a design's ports differ from those of the test bench."""

from __future__ import annotations

import re
from dataclasses import dataclass

from intinfer.errors import DataError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*", re.ASCII)
TLAST = ("both", "in", "out", "none")


@dataclass(frozen=True)
class Interface:
    """The ports of a design beside the tdata, tvalid and tready of its streams.

    Attributes:
        clock: name of its clock, rising-edge.
        reset: name of its reset.
        active_high: whether the design is reset while `reset` is 1.
        asynchronous: whether it is reset without a clock edge; early resets then come while the clock stands still.
        tlast: which streams have tlast: "both" directions, "in", "out" or "none".
        tkeep: whether all streams have tkeep, which is all ones.
        tuser: whether all streams have a tuser of one bit that marks the first beat of a frame.

    Raises DataError for a name that is no identifier of Verilog, and an unknown `tlast`.
    """

    clock: str = "clk"
    reset: str = "rst_n"
    active_high: bool = False
    asynchronous: bool = False
    tlast: str = "both"
    tkeep: bool = False
    tuser: bool = False

    def __post_init__(self) -> None:
        for name in (self.clock, self.reset):
            if not _NAME.fullmatch(name):
                raise DataError(f"{name!r} is no identifier of Verilog; name the port as the design does")
        if self.tlast not in TLAST:
            raise DataError(f"tlast {self.tlast!r} is unknown; there are {', '.join(TLAST)}")

    def has_tlast(self, direction: str) -> bool:
        """Whether streams of a direction ("in", "demand", "out") have tlast."""
        return self.tlast in ("both", "out" if direction == "out" else "in")

    def signals(self, direction: str) -> list[str]:
        """The signals of a stream, without the port's name."""
        optional = {"tlast": self.has_tlast(direction), "tkeep": self.tkeep, "tuser": self.tuser}
        return ["tdata", "tvalid", "tready", *(name for name, there in optional.items() if there)]

    def sentence(self) -> str:
        """Clock and reset, for people."""
        kind = "asynchronous" if self.asynchronous else "synchronous"
        return f"`{self.clock}`, `{self.reset}` ({kind}, active {'high' if self.active_high else 'low'})"
