"""Networks by name: ``build("mognet:n=128,g=4,k=3")`` gives a trainable torch module.

The text form is ``NAME:key=value,key=value``; keys left out take the defaults of the network's
argument dataclass. Reading and checking such a text needs no torch: only `build` imports it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from intinfer.errors import IntinferError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NETS", "MognetArgs", "NetArgumentError", "NetEntry", "build", "net_arguments", "parse_net"]


class NetArgumentError(IntinferError):
    """A network text that cannot be built; the message says what is wrong, what is allowed and what to do."""


@dataclass(frozen=True)
class MognetArgs:
    """Arguments of MOGNET(n, g) (AICAS 2022). The paper leaves layout, pooling, CA seeds and last layer open.

    n: width of the first stage. g: groups of each 3x3 group convolution. k: activation bits, 1..8.
    classes: outputs. height, width: input size in pixels.
    layout: stages joined by '-'; each is its width as a multiple of n, with a trailing 'm' when an MRB
    follows the CFLOG. pool: the stages that end in a 2x2 max pool, as digits ('0' for none).
    last_bits: 1 for a binary last layer, 2 for a ternary one.
    seed: picks the random rule-30 seed rows, one for each layer; the rows themselves are in the state_dict.
    """

    n: int = 128
    g: int = 4
    k: int = 3
    classes: int = 10
    height: int = 32
    width: int = 32
    layout: str = "1m-2m-4m-4"
    pool: str = "123"
    last_bits: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every argument; raises NetArgumentError."""
        for name, largest in (("n", 4096), ("classes", 65536), ("height", 8192), ("width", 8192)):
            if getattr(self, name) > largest:
                raise NetArgumentError(f"mognet: {name}={getattr(self, name)} is too large; use {largest} or less")
        if self.g < 1:
            raise NetArgumentError(f"mognet: g={self.g} is not a number of groups; use g=1 or more")
        if self.n < 4 or self.n % (2 * self.g):
            raise NetArgumentError(
                f"mognet: g={self.g} does not divide n/2={self.n / 2:g}, the channels of the group "
                f"convolutions; n must be a multiple of 2*g={2 * self.g}, at least 4: "
                f"try n={max(_round_up(self.n, 2 * self.g), _round_up(4, 2 * self.g))}"
            )
        if not 1 <= self.k <= 8:
            raise NetArgumentError(f"mognet: k={self.k} activation bits are not supported; use k=1 to k=8")
        if self.classes < 2:
            raise NetArgumentError(f"mognet: classes={self.classes} leaves nothing to classify; use 2 or more")
        if self.last_bits not in (1, 2):
            raise NetArgumentError(f"mognet: last_bits={self.last_bits} is not offered; use 1 (binary) or 2 (ternary)")
        if self.seed < 0:
            raise NetArgumentError(f"mognet: seed={self.seed} is negative; use seed=0 or more")
        self._check_stages()

    def _check_stages(self) -> None:
        if not re.fullmatch(r"[1-9][0-9]?m?(-[1-9][0-9]?m?)*", self.layout):
            raise NetArgumentError(
                f"mognet: layout={self.layout!r} is not a list of stages; write each stage as a multiple of n "
                "from 1 to 99, with 'm' when an MRB follows, joined by '-', as in layout=1m-2m-4m-4"
            )
        count = len(self.stages)
        if count > 9:
            raise NetArgumentError(f"mognet: layout={self.layout!r} has {count} stages; use 9 or fewer")
        wrong = sorted({mark for mark in self.pool if mark not in "0123456789"[: count + 1]})
        if wrong or not self.pool or (self.pool != "0" and "0" in self.pool):
            raise NetArgumentError(
                f"mognet: pool={self.pool!r} does not name stages of the {count}-stage layout {self.layout!r}; "
                f"use digits 1 to {count} without separators, as in pool=12, or pool=0 for none"
            )
        shrink = 2 ** len(self.pooled_stages)
        for axis, size in (("height", self.height), ("width", self.width)):
            if size < 1 or size % shrink:
                raise NetArgumentError(
                    f"mognet: {axis}={size} is not a positive multiple of {shrink}, which the "
                    f"{len(self.pooled_stages)} max pools of pool={self.pool} need; "
                    f"try {axis}={max(_round_up(size, shrink), shrink)}"
                )

    @property
    def stages(self) -> tuple[tuple[int, bool], ...]:
        """For each stage its width in multiples of n, and whether an MRB follows its CFLOG."""
        return tuple((int(stage.rstrip("m")), stage.endswith("m")) for stage in self.layout.split("-"))

    @property
    def pooled_stages(self) -> frozenset[int]:
        """1-based numbers of the stages that end in a 2x2 max pool."""
        return frozenset(int(mark) for mark in self.pool) - {0}


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _build_mognet(arguments: Any) -> nn.Module:
    from intinfer_converters.nets.mognet import Mognet

    return Mognet(arguments)


@dataclass(frozen=True)
class NetEntry:
    """A network of the registry: its argument dataclass and the function that builds the module."""

    arguments: type[Any]
    builder: Callable[[Any], nn.Module]


NETS: dict[str, NetEntry] = {
    "mognet": NetEntry(MognetArgs, _build_mognet),
}


def parse_net(text: str) -> tuple[str, dict[str, int | str]]:
    """Split ``NAME:key=value,...`` into the name and the arguments that were written, typed.

    Needs no torch. Raises NetArgumentError for an unknown network, an unknown or repeated argument,
    or a value that is not of the argument's type; ranges are checked by `net_arguments`.

    >>> parse_net("mognet:n=32,pool=12")
    ('mognet', {'n': 32, 'pool': '12'})
    """
    name, colon, rest = text.strip().partition(":")
    if name not in NETS:
        raise NetArgumentError(
            f"unknown network {name!r}; known: {', '.join(sorted(NETS))}; write it as in mognet:n=128,g=4,k=3"
        )
    types = {field.name: type(field.default) for field in fields(NETS[name].arguments)}
    values: dict[str, int | str] = {}
    for item in rest.split(",") if rest or colon else []:
        key, equals, value = (part.strip() for part in item.partition("="))
        if not (key and equals and value):
            raise NetArgumentError(f"{name}: {item!r} is not an argument; write key=value, as in {name}:n=128,k=3")
        if key not in types:
            raise NetArgumentError(f"{name}: unknown argument {key!r}; known: {', '.join(types)}")
        if key in values:
            raise NetArgumentError(f"{name}: argument {key!r} is given twice ({values[key]} and {value}); keep one")
        values[key] = _integer(name, key, value) if types[key] is int else value
    return name, values


def _integer(name: str, key: str, value: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,9}", value):
        raise NetArgumentError(f"{name}: {key}={value} is not a whole number; write digits, as in {key}=4")
    return int(value)


def net_arguments(text: str) -> tuple[str, Any]:
    """The network's name and its complete, checked argument dataclass. Needs no torch; raises NetArgumentError.

    >>> net_arguments("mognet:n=32")[1].stages
    ((1, True), (2, True), (4, True), (4, False))
    """
    name, values = parse_net(text)
    return name, NETS[name].arguments(**values)


def build(text: str) -> nn.Module:
    """The untrained torch module a text such as ``mognet:n=128,g=4,k=3`` names; raises NetArgumentError.

    Its input is raw pixels 0..255 as float (N, 3, H, W), its output float logits (N, classes).
    """
    name, arguments = net_arguments(text)
    return NETS[name].builder(arguments)
