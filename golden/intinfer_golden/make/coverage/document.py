"""The coverage report: as a JSON-able document, as text, and as one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from intinfer.reports.text import printable, table

from .group import Covergroup

FORMAT = "intinfer-coverage"
VERSION = 1

SHOWN = 5
"""Open bins and reasons that are spelled out for each group."""


def counts(groups: Sequence[Covergroup]) -> dict[str, Any]:
    """bins = hit + unreachable + open, and the percentage hit of those not unreachable."""
    bins = sum(len(group.hit) for group in groups)
    hit = sum(int(group.hit.sum()) for group in groups)
    unreachable = sum(int(group.unreachable.sum()) for group in groups)
    left = bins - hit - unreachable
    percent = min(99.99, round(100.0 * hit / (hit + left), 2)) if left else 100.0  # 99.996 is never rounded up
    return {"bins": bins, "hit": hit, "unreachable": unreachable, "open": left, "percent": percent}


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
    """A document as text: one row a covergroup, the total, then open bins and reasons."""
    columns = ("bins", "hit", "unreachable", "open")
    rows = [
        (e["node"], e["covergroup"], *(e[c] for c in columns), f"{e['percent']:.2f}") for e in report["covergroups"]
    ]
    total = report["total"]
    rows.append(("total", "", *(total[c] for c in columns), f"{total['percent']:.2f}"))
    lines = [table(("node", "covergroup", *columns, "%"), rows)]
    for title, lister in (("open", _open_lines), ("unreachable", _reason_lines)):
        found = [line for entry in report["covergroups"] for line in lister(entry)]
        if found:
            lines += ["", f"{title}:", *(printable(line) for line in found)]
    return "\n".join(lines) + "\n"


def _open_lines(entry: dict[str, Any]) -> list[str]:
    lines = [f"  {entry['node']}, {entry['covergroup']}: {name}" for name in entry["open_bins"]]
    more = entry["open"] - len(lines)
    return [*lines, f"  {entry['node']}, {entry['covergroup']}: {more:,} more"] if more else lines


def _reason_lines(entry: dict[str, Any]) -> list[str]:
    return [f"  {entry['node']}, {entry['covergroup']}: {reason}" for reason in _reasons(entry, SHOWN)]


def _reasons(entry: dict[str, Any], count: int) -> list[str]:
    """The first reasons of a group, each with its first bin, and how many bins the others are of."""
    texts = []
    for reason in entry["reasons"][:count]:
        others = f" and {reason['bins'] - 1:,} more" if reason["bins"] > 1 else ""
        texts.append(f"{reason['first']}{others}: {reason['reason']}")
    more = sum(reason["bins"] for reason in entry["reasons"][count:])
    return [*texts, f"{more:,} more, in the JSON report"] if more else texts


LISTED = 20
"""Reasons listed for each covergroup."""

STYLE = """
:root { --ink: #1c2733; --soft: #5d6b7a; --line: #dde3ea; --paper: #f6f8fa; --hit: #2f7d4f; --open: #c2571a;
  --never: #b8c2cd }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", sans-serif }
main { max-width: 72rem; margin: 0 auto; padding: 2rem 1.5rem 4rem }
h1 { font-size: 1.5rem; margin: 0 0 .25rem }
.lead { color: var(--soft); margin: 0 0 1.5rem }
.cards { display: flex; flex-wrap: wrap; gap: .75rem; margin-bottom: 1.75rem }
.card { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: .6rem 1.1rem; min-width: 8rem }
.card b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums }
.card span { color: var(--soft) }
section { background: #fff; border: 1px solid var(--line); border-radius: 8px; margin-bottom: 1rem; overflow-x: auto }
h2 { font: 600 1rem ui-monospace, monospace; margin: 0; padding: .7rem 1rem; overflow-wrap: anywhere }
h2 small { float: right; font: .9rem system-ui, sans-serif; color: var(--soft) }
table { border-collapse: collapse; width: 100% }
th, td { text-align: right; padding: .4rem 1rem; border-top: 1px solid var(--line); vertical-align: top }
th { font-weight: 500; color: var(--soft); font-size: .85rem }
th:first-child, td:first-child { text-align: left; width: 45% }
td { font-variant-numeric: tabular-nums }
td em { display: block; font-style: normal; color: var(--soft); font-size: .85rem }
.bar { display: flex; height: .55rem; width: 9rem; border-radius: 3px; overflow: hidden;
  margin-top: .45rem; float: right }
.bar i { display: block; height: 100% }
.hit { background: var(--hit) } .open { background: var(--open) } .never { background: var(--never) }
.warn { color: var(--open); font-weight: 600 }
details { font-size: .85rem; margin-top: .25rem } summary { cursor: pointer; color: var(--soft) }
ul { margin: .25rem 0 0; padding-left: 1.2rem; overflow-wrap: anywhere }
@media print { body { background: #fff } section { break-inside: avoid } }
"""


def html(report: dict[str, Any]) -> str:
    """The page of a coverage document."""
    total = report["total"]
    cards = "".join(
        f'<div class="card"><b>{value}</b><span>{name}</span></div>'
        for name, value in (
            ("covered", f"{total['percent']:.2f} %"),
            ("bins", f"{total['bins']:,}"),
            ("hit", f"{total['hit']:,}"),
            ("proven unreachable", f"{total['unreachable']:,}"),
            ("open", f"{total['open']:,}"),
        )
    )
    sections = "\n".join(
        _section(node, [e for e in report["covergroups"] if e["node"] == node["node"]]) for node in report["nodes"]
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Functional coverage</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Functional coverage</h1>
<p class="lead">Covered is the share of bins hit among those not proven unreachable. Open bins are neither.</p>
<div class="cards">{cards}</div>
{sections}
</main>
</body>
</html>
"""


def _section(node: dict[str, Any], entries: list[dict[str, Any]]) -> str:
    rows = "\n".join(_row(entry) for entry in entries)
    state = f"{node['percent']:.2f} %, {node['open']:,} open" if node["open"] else f"{node['percent']:.2f} %"
    return f"""<section>
<h2>{escape(node["node"])} <small>{state}</small></h2>
<table>
<tr><th>covergroup</th><th>bins</th><th>hit</th><th>unreachable</th><th>open</th><th>%</th><th></th></tr>
{rows}
</table>
</section>"""


def _row(entry: dict[str, Any]) -> str:
    open_class = ' class="warn"' if entry["open"] else ""
    return (
        f"<tr><td>{escape(entry['covergroup'])}<em>{escape(entry['meaning'])}</em>{_lists(entry)}</td>"
        f"<td>{entry['bins']:,}</td><td>{entry['hit']:,}</td><td>{entry['unreachable']:,}</td>"
        f"<td{open_class}>{entry['open']:,}</td><td>{entry['percent']:.2f}</td><td>{_bar(entry)}</td></tr>"
    )


def _bar(entry: dict[str, Any]) -> str:
    bins = max(1, entry["bins"])
    parts = "".join(
        f'<i class="{name}" style="width:{100 * entry[key] / bins:.2f}%"></i>'
        for name, key in (("hit", "hit"), ("open", "open"), ("never", "unreachable"))
        if entry[key]
    )
    label = f"{entry['hit']} hit, {entry['open']} open, {entry['unreachable']} unreachable"
    return f'<span class="bar" role="img" aria-label="{label}" title="{label}">{parts}</span>'


def _lists(entry: dict[str, Any]) -> str:
    lists = ""
    if entry["open_bins"]:
        title = f"open: the first {len(entry['open_bins'])} of {entry['open']:,}"
        lists += f"<details open><summary>{title}</summary>{_items(entry['open_bins'])}</details>"
    if entry["reasons"]:
        title = f"why {entry['unreachable']:,} are unreachable"
        lists += f"<details><summary>{title}</summary>{_items(_reasons(entry, LISTED))}</details>"
    return lists


def _items(texts: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"
