"""Outcomes on disk, a line each, so that a campaign that was ended goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from intinfer.errors import DataError

from .campaign import Design, Outcome, Wrong
from .simulate import FILES

_FORMAT = "intinfer-mutants"
_VERDICTS = ("stillborn", "killed", "survived")


class Journal:
    """The outcomes of campaigns in a file; those of other sources, vectors or benches are kept and not used.

    Raises DataError for a file that is no such journal.
    """

    def __init__(self, path: Path, designs: Iterable[Design]) -> None:
        self._path = path
        self._identity = _identity(designs)
        self._known: dict[str, dict[str, Any]] = {}
        text = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
        whole, _, torn = text.rpartition("\n")
        for number, line in enumerate(whole.splitlines(), 1):
            entry = _entry(path, number, line)
            if entry["of"] == self._identity:
                self._known[entry["key"]] = entry
        if torn:  # a run was killed just there
            with path.open("r+b") as file:
                file.truncate(len((whole + "\n").encode()) if whole else 0)

    def known(self, wrong: Wrong) -> Outcome | None:
        """What a campaign before this one found out."""
        entry = self._known.get(f"{wrong.operator} | {wrong.key}")
        return None if entry is None else Outcome(wrong, entry["verdict"], entry["by"])

    def add(self, outcome: Outcome) -> None:
        """Append an outcome; it reaches the file before this returns."""
        entry = {
            "format": _FORMAT,
            "of": self._identity,
            "key": f"{outcome.wrong.operator} | {outcome.wrong.key}",
            "verdict": outcome.verdict,
            "by": outcome.by,
        }
        with self._path.open("a", encoding="ascii") as file:
            file.write(json.dumps(entry) + "\n")


def _entry(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
        if entry["format"] == _FORMAT and entry["verdict"] in _VERDICTS:
            return {name: str(entry[name]) for name in ("of", "key", "verdict", "by")}
    except (ValueError, LookupError, TypeError, RecursionError):
        pass
    raise DataError(f"{path}: line {number} is no outcome of a mutant; give another file to --resume")


def _identity(designs: Iterable[Design]) -> str:
    """Hash of what decides an outcome: sources, macros, the vectors' manifest, the bench, the simulator; not the order
    of designs, which may be that of their speed."""
    state = hashlib.sha256()
    for design in sorted(designs, key=lambda design: (design.name, design.simulator)):
        files = [path for _, path in design.sources]
        benches = [design.directory / "bench" / name for name in FILES]
        for path in (*files, design.directory / "manifest.json", *(path for path in benches if path.exists())):
            state.update(hashlib.sha256(path.read_bytes()).digest())
        text = (design.simulator, design.dut, design.runs, design.defines, [str(path) for path in design.includes])
        state.update(repr(text).encode("utf-8", "surrogateescape"))
    return state.hexdigest()
