"""Command lines that go on from a difference: ready to be pasted into a shell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path

from ..describe.spans import ranges

FIRST_FRAMES = 4
"""Wrong frames that a minimal set is made of."""


def explain_command(directory: str | PathLike[str], frame: int, node: str, at: Mapping[str, int]) -> str | None:
    """`intinfer explain` of one element of a set; `at` has its c, y and x, or c alone.

    None where a name cannot be pasted, because it is not printable.
    """
    place = ",".join(str(at[axis]) for axis in "cyx" if axis in at)
    return _line("explain", _path(directory), "--frame", str(frame), *_option("--node", node), "--at", place)


def frames_command(directory: str | PathLike[str], frames: Sequence[int], count: int) -> str | None:
    """`intinfer golden` of the first of some wrong frames of a set of `count`, each after the frame before it, for what
    a design keeps from one frame to the next. None where this is the whole set, and as `explain_command`.
    """
    wanted = sorted({n for frame in frames[:FIRST_FRAMES] for n in (max(frame - 1, 0), frame)})
    if len(wanted) == count:
        return None
    target = f"{Path(directory).resolve().name}-failing"
    return _line("golden", _path(directory), "--frames", ranges(wanted), "-o", _path(target))


def _path(path: str | PathLike[str]) -> str:
    """A path that is not taken for an option."""
    text = fspath(path)
    return f"./{text}" if text.startswith("-") else text


def _option(name: str, value: str) -> list[str]:
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def _line(*words: str) -> str | None:
    text = shlex.join(["intinfer", *words])
    return text if text.isprintable() else None
