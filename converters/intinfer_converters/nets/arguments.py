"""What the argument dataclasses of the networks share. Needs no torch."""

from __future__ import annotations

from typing import Any

from intinfer.errors import MalformedError


class NetArgumentError(MalformedError):
    """A network text that cannot be built; the message says what is wrong, what is allowed and what to do."""


def check_sizes(net: str, arguments: Any, **largest: int) -> None:
    """Refuse arguments above their limit. Raises NetArgumentError."""
    for name, limit in largest.items():
        if getattr(arguments, name) > limit:
            raise NetArgumentError(f"{net}: {name}={getattr(arguments, name)} is too large; use {limit} or less")


def check_common(net: str, arguments: Any) -> None:
    """Activation bits 1..8 and two classes or more. Raises NetArgumentError."""
    if not 1 <= arguments.k <= 8:
        raise NetArgumentError(f"{net}: k={arguments.k} activation bits are not supported; use k=1 to k=8")
    if arguments.classes < 2:
        raise NetArgumentError(f"{net}: classes={arguments.classes} leaves nothing to classify; use 2 or more")


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple that is `value` or more."""
    return -(-value // multiple) * multiple
