"""The kill table: how many wrong designs a bench fails, by file and by operator, and which it passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from intinfer.reports import text

from .campaign import Outcome

_NONE: Mapping[str, str] = {}


def table(outcomes: Sequence[Outcome], equivalent: Mapping[str, str] = _NONE) -> list[str]:
    """Lines of two tables; `equivalent` says of survivors, by key, how it is known that they are no wrong designs."""
    kinds = sorted(set(equivalent.values()))
    lines: list[str] = []
    for title in ("file", "operator"):
        rows = []
        for name in [*sorted({getattr(outcome.wrong, title) for outcome in outcomes}), "all"]:
            chosen = [outcome for outcome in outcomes if name in ("all", getattr(outcome.wrong, title))]
            counts = Counter(verdict(outcome, equivalent) for outcome in chosen)
            alive = counts["killed"] + counts["survived"]
            score = f"{100 * counts['killed'] / alive:.1f} %" if alive else "-"
            cells = [len(chosen), *(counts[kind] for kind in ("stillborn", "killed", *kinds, "survived"))]
            rows.append((name, *map(str, cells), score))
        header = (title, "mutants", "stillborn", "killed", *kinds, "survived", "score")
        lines += [*text.table(header, rows).split("\n"), ""]
    return lines


def survivors(outcomes: Iterable[Outcome], equivalent: Mapping[str, str] = _NONE) -> list[Outcome]:
    """Those that a bench should have failed."""
    return [outcome for outcome in outcomes if verdict(outcome, equivalent) == "survived"]


def verdict(outcome: Outcome, equivalent: Mapping[str, str] = _NONE) -> str:
    """What an outcome is called; a survivor that is equivalent has the way in which that is known."""
    if outcome.verdict != "survived":
        return outcome.verdict
    return equivalent.get(outcome.wrong.key, "survived")


def document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The table as one JSON document."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    return {
        **{kind: counts[kind] for kind in ("stillborn", "killed", "survived")},
        "mutants": [
            {
                "file": outcome.wrong.file,
                "line": outcome.wrong.line or None,
                "operator": outcome.wrong.operator,
                "mutant": str(outcome.wrong),
                "key": outcome.wrong.key,
                "verdict": outcome.verdict,
                "by": outcome.by or None,
            }
            for outcome in outcomes
        ],
    }
