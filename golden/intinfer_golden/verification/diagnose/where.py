"""Where a dump is wrong, by axis: only c=5; only the border; from n=9 on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb, log2

import numpy as np

from intinfer.types import Mask

from ...describe.spans import ranges
from .scene import seen_along

SHOWN = 6
"""Ranges of indices that are listed."""
FEW = 3
"""Differences of which it is always said where they are."""
CHANCE = 50
"""What more of them have in common is told when one in so many corruptions by chance would have it."""
_NAMES = {"N": ("n", "frame"), "C": ("c", "channel"), "H": ("y", "row"), "W": ("x", "column")}


def where(wrong: Mask, asked: Mask, axes: tuple[str, ...], frames: Sequence[int]) -> str:
    """What all wrong values have in common.

    Args:
        wrong: along `axes`, the values that differ, one at least.
        asked: of the same shape, the values that were compared.
        frames: numbers of the frames.

    Returns:
        Parts like "only c=5" and "only the border", or "on every axis" where there is nothing to say.
    """
    count = int(wrong.sum())
    parts = []
    for i, axis in enumerate(axes):
        bad, all_ = seen_along(wrong, i), seen_along(asked, i)
        if count <= FEW or _telling(int(bad.sum()), int(all_.sum()), count):
            numbers = np.asarray(frames) if axis == "N" else np.arange(len(bad))
            parts.append(_along(axis, sorted(set(numbers[bad].tolist())), sorted(set(numbers[all_].tolist()))))
    if "H" in axes and count > 1:
        parts.append(_border(wrong, asked, axes))
    return "; ".join(part for part in parts if part) or "on every axis"


def _telling(part: int, whole: int, count: int) -> bool:
    """Whether so many differences, strewn by chance, would hardly all lie in one of the parts of this size."""
    return count * (log2(whole) - log2(part)) - log2(comb(whole, part)) > log2(CHANCE)


def _along(axis: str, bad: list[int], all_: list[int]) -> str:
    """Indices of one axis that have wrong values, among those that were compared; empty where they are the same."""
    letter, name = _NAMES[axis]
    if bad == all_:
        return ""
    low, high = bad[0], bad[-1]
    if len(bad) == 1:
        edge = {0: "first", len(all_) - 1: "last"}.get(low) if all_ == list(range(len(all_))) else None
        return f"only {letter}={low}" + (f", the {edge} {name}" if edge and axis != "C" else "")
    if bad == [i for i in all_ if i >= low]:
        return f"from {letter}={low} on"
    if bad == [i for i in all_ if i <= high]:
        return f"up to {letter}={high}"
    if len(bad) > (3 if axis == "N" else 2):
        for step in range(2, min(8, len(all_) // 2 + 1)):
            if bad == [i for i in all_ if i % step == low % step]:
                kind = ("even", "odd")[low % 2] if step == 2 else f"{letter} mod {step} = {low % step}"
                return f"only where {letter} is {kind}" if step == 2 else f"only where {kind}"
    if len(bad) == len(all_) - 1:
        (right,) = set(all_) - set(bad)
        return f"not {letter}={right}"
    shown = ranges(bad, "..", ", ")
    return f"only {letter}={shown}" if shown.count(",") < SHOWN else ""


def _border(wrong: Mask, asked: Mask, axes: tuple[str, ...]) -> str:
    """The edges that hold all wrong values, where there are several and values inside are right."""
    other = tuple(i for i, axis in enumerate(axes) if axis not in "HW")
    bad, all_ = (np.logical_or.reduce(mask, axis=other) for mask in (wrong, asked))
    if axes.index("H") > axes.index("W"):
        bad, all_ = bad.T, all_.T
    for depth in range(1, (min(bad.shape) - 1) // 2 + 1):
        inner = slice(depth, -depth)
        inside = (inner, inner)
        if not all_[inside].any() or bad[inside].any():
            continue
        edge, whole = int(all_.sum() - all_[inside].sum()), int(all_.sum())
        if wrong.sum() * (log2(whole) - log2(edge)) < log2(CHANCE):
            return ""
        edges = _edges(bad, depth)
        rows = any(edges[name] for name in ("top", "bottom"))
        if sum(edges.values()) < 2 or not (rows and (edges["left"] or edges["right"])):
            return ""
        kind = "the border" if bad[inner].any() or bad[:, inner].any() else "the corners"
        sides = "" if all(edges.values()) else " (" + ", ".join(name for name, found in edges.items() if found) + ")"
        return f"only {kind}{sides}" + (f", {depth} wide" if depth > 1 else "")
    return ""


def _edges(bad: Mask, depth: int) -> Mapping[str, bool]:
    """The sides of which the wrong values are more than the ends that belong to other sides."""
    inner = slice(depth, -depth)
    found = {
        "top": bool(bad[:depth, inner].any()),
        "left": bool(bad[inner, :depth].any()),
        "bottom": bool(bad[-depth:, inner].any()),
        "right": bool(bad[inner, -depth:].any()),
    }
    return found if any(found.values()) else dict.fromkeys(found, True)
