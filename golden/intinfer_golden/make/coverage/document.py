"""The coverage report: as a JSON-able document, and as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intinfer.reports.text import printable, table

from .group import Covergroup

FORMAT = "intinfer-coverage"
VERSION = 1

SHOWN = 5
"""Open bins and reasons that are spelled out for each group."""


def percentage(hit: int, reachable: int) -> float:
    """100 only when all are hit: 99.996 % is never rounded up."""
    return 100.0 if hit == reachable else min(99.99, round(100.0 * hit / reachable, 2))


def counts(groups: Sequence[Covergroup]) -> dict[str, Any]:
    """bins = hit + unreachable + open, and the percentage hit of those not unreachable."""
    bins = sum(len(group.hit) for group in groups)
    hit = sum(int(group.hit.sum()) for group in groups)
    unreachable = sum(int(group.unreachable.sum()) for group in groups)
    percent = percentage(hit, bins - unreachable)
    return {"bins": bins, "hit": hit, "unreachable": unreachable, "open": bins - hit - unreachable, "percent": percent}


def document(groups: Sequence[Covergroup]) -> dict[str, Any]:
    """Totals, totals by node, and every covergroup."""
    nodes = list(dict.fromkeys(group.node for group in groups))
    return {
        "format": FORMAT,
        "version": VERSION,
        "total": counts(groups),
        "nodes": [{"node": node, **counts([g for g in groups if g.node == node])} for node in nodes],
        "covergroups": [_entry(group) for group in groups],
    }


def _entry(group: Covergroup) -> dict[str, Any]:
    return {
        "node": group.node,
        "covergroup": group.kind,
        "meaning": group.sentence,
        **counts([group]),
        "reasons": [
            {"bins": reason.count, "first": group.name(reason.bin), "reason": reason.text} for reason in group.reasons
        ],
        "open_bins": [group.name(i) for i in group.open.nonzero()[0][:SHOWN].tolist()],
    }


def text(report: dict[str, Any]) -> str:
    """Of a document: one row a covergroup, the total, then open bins and reasons."""
    columns = ("bins", "hit", "unreachable", "open")
    rows = [
        (e["node"], e["covergroup"], *(e[c] for c in columns), shown_percent(e["percent"]))
        for e in report["covergroups"]
    ]
    total = report["total"]
    rows.append(("total", "", *(total[c] for c in columns), shown_percent(total["percent"])))
    lines = [table(("node", "covergroup", *columns, "%"), rows)]
    for title, lister in (("open", _open_lines), ("unreachable", _reason_lines)):
        found = [line for entry in report["covergroups"] for line in lister(entry)]
        if found:
            lines += ["", f"{title}:", *(printable(line) for line in found)]
    return "\n".join(lines) + "\n"


def shown_percent(percent: float) -> str:
    return f"{percent:.2f}"


def _open_lines(entry: dict[str, Any]) -> list[str]:
    lines = [f"  {entry['node']}, {entry['covergroup']}: {name}" for name in entry["open_bins"]]
    more = entry["open"] - len(lines)
    return [*lines, f"  {entry['node']}, {entry['covergroup']}: {more:,} more"] if more else lines


def _reason_lines(entry: dict[str, Any]) -> list[str]:
    where = f"  {entry['node']}, {entry['covergroup']}: "
    lines = [f"{where}{r['first']}{others(r['bins'])}: {r['reason']}" for r in entry["reasons"][:SHOWN]]
    more = sum(r["bins"] for r in entry["reasons"][SHOWN:])
    return [*lines, f"{where}{more:,} more, in the JSON report"] if more else lines


def others(bins: int) -> str:
    """What follows the first of several bins."""
    return f" and {bins - 1:,} more" if bins > 1 else ""
