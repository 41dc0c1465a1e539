"""An explanation as lines for people, and as a JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intinfer.reports.text import printable, table

from ...ops.steps import Cell
from .explain import Explanation

_WORDS = ("input", "note", "automaton", "compare", "branch")
"""Columns of text; all others stand on the right."""


def describe(explanation: Explanation, nonzero: bool = False) -> list[str]:
    """Node, formula, one row a step, intermediate results, the value; then what it is made of, indented.

    Args:
        nonzero: leave out products of 0 that change nothing.
    """
    steps = explanation.steps
    at = " ".join(f"{letter}={i}" for letter, i in zip("cyx", explanation.at, strict=False))
    source = f", from {', '.join(explanation.source)}" if explanation.source else ""
    shown = [row for row in steps.rows if not nonzero or row.get("product") != 0 or row.get("note")]
    lines = [f"{explanation.node} ({explanation.op}{source}) at {at} is {explanation.value}", f"  {steps.formula}"]
    lines += [f"  {line}" for line in _table(shown)]
    if len(shown) < len(steps.rows):
        lines.append(f"  {len(steps.rows) - len(shown)} products of 0 are not shown")
    lines += [f"  {name}: {fact}" for name, fact in steps.facts.items()]
    lines.append(f"  result: {explanation.value}")
    for part in explanation.inputs:
        lines += ["", *(f"  {line}" if line else "" for line in describe(part, nonzero))]
    return [printable(line) for line in lines]


def _table(rows: Sequence[dict[str, Cell]]) -> list[str]:
    """Aligned columns; without those that are empty all the way."""
    if not rows:
        return []
    columns = []
    for name in rows[0]:
        cells = [printable(str(row[name])) for row in rows]
        if any(cells):
            width = max(map(len, (name, *cells)))
            left = name in _WORDS
            columns.append([cell.ljust(width) if left else cell.rjust(width) for cell in (name, *cells)])
    header, *body = zip(*columns, strict=True)
    return table(header, body).splitlines()


def document(explanation: Explanation, nonzero: bool = False) -> dict[str, Any]:
    """For JSON: `describe` as numbers."""
    steps = explanation.steps
    rows = [row for row in steps.rows if not nonzero or row.get("product") != 0 or row.get("note")]
    return {
        "node": explanation.node,
        "op": explanation.op,
        "source": list(explanation.source),
        "at": dict(zip("cyx", explanation.at, strict=False)),
        "value": explanation.value,
        "formula": steps.formula,
        "rows": rows,
        "facts": steps.facts,
        "inputs": [document(part, nonzero) for part in explanation.inputs],
    }
