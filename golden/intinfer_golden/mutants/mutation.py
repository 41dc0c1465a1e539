"""Mutants of a source: every operator of the list at every site where it applies, as edits of the text.

A mutant that does not compile is stillborn and counts neither way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import operators, resets
from .statements import statements_of
from .tokens import Preprocessor


@dataclass(frozen=True)
class Mutant:
    """One change of one source.

    Attributes:
        file: the source, as it was named.
        operator: the kind of the change.
        edits: start, end and new text of each place that changes, in the order of the text; they do not overlap.
        line: of the first character that changes, from 1.
        code: that line without comment, stripped: what identifies a mutant when lines move.
        before, after: what became what.
        place: number among the changes of the same kind on lines of the same text.
    """

    file: str
    operator: str
    edits: tuple[tuple[int, int, str], ...]
    line: int
    code: str
    before: str
    after: str
    place: int

    def apply(self, source: str) -> str:
        """The text of the source with the change in it."""
        for start, end, text in reversed(self.edits):
            source = source[:start] + text + source[end:]
        return source

    @property
    def key(self) -> str:
        """Stable under edits elsewhere in the file."""
        return f"{self.file} | {self.code} | {_short(self.before)} -> {_short(self.after)} | {self.place}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.operator}: {_short(self.before)} -> {_short(self.after)}: {self.code}"


def mutants(
    file: str, source: str, preprocessor: Preprocessor | None = None, folder: Path | None = None
) -> list[Mutant]:
    """All mutants of a source, in the order of the text; in what is not compiled or not design there are none.

    Args:
        file: the name that mutants carry.
        source: the text.
        preprocessor: what the sources before this one defined; it learns what this one defines.
        folder: of the file, where its includes are looked for first.
    """
    tokens = (preprocessor or Preprocessor()).tokenise(source, folder)
    statements = statements_of(tokens)
    finders = (*operators.FINDERS, resets.changes)
    found = {change for find in finders for change in find(source, tokens, statements)}
    frozen = [token for token in tokens if token.frozen]
    seen: dict[tuple[str, str, str], int] = {}
    lines = source.split("\n")
    result = []
    for change in sorted(found, key=lambda c: (c.start, c.end, c.operator, c.after, c.edits)):
        if any(start < token.end and token.start < end for start, end, _ in change.edits for token in frozen):
            continue
        line = source.count("\n", 0, change.start) + 1
        code = lines[line - 1].split("//")[0].strip()
        place = seen[code, change.before, change.after] = seen.get((code, change.before, change.after), -1) + 1
        result.append(Mutant(file, change.operator, change.edits, line, code, change.before, change.after, place))
    return result


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 40 else f"{plain[:37]}..."
