"""Tokens of Verilog and SystemVerilog, with what conditional compilation leaves out of a simulation left out here.

Not a parser: enough of the lexical rules (IEEE 1800-2017, clause 5 and 22) that no token is cut in two, that brackets
are counted right, and that text which is not part of the design is known as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

_TOKEN = re.compile(
    r"""(?P<skip>\s+|/\*.*?\*/|//[^\n]*|\(\*(?!\s*\)).*?\*\))
      |(?P<directive>`(?:define|pragma|line|timescale|include|undef|default_nettype)\b(?:\\\r?\n|[^\n])*)
      |(?P<condition>`(?:ifdef|ifndef|elsif)\s+\w+|`(?:else|endif)\b)
      |(?P<bare>`(?:resetall|celldefine|endcelldefine|nounconnected_drive|undefineall|end_keywords)\b)
      |(?P<string>"(?:[^"\\]|\\.)*")
      |(?P<number>(?:\d[\d_]*\s*)?'[sS]?[bodhBODH]\s*[0-9a-fA-FxXzZ_?]+|'[01xXzZ](?!\w)
        |\d[\d_]*(?:\.\d[\d_]*(?:[eE][+-]?\d+)?|[eE][+-]?\d+)?(?:[fpnum]?s\b)?)
      |(?P<word>[$`]?[A-Za-z_][\w$]*|\\\S+)
      |(?P<mark><<<=|>>>=|<<<|>>>|<<=|>>=|<=|>=|===|!==|==\?|!=\?|==|!=|&&|\|\||<<|>>|\+:|-:|::|\+\+|--|\+=|-=|\*=|/=|%=
        |&=|\|=|\^=|~\^|\^~|~&|~\||\*\*|->|'\{|.)""",
    re.VERBOSE | re.DOTALL,
)
_TRANSLATE = re.compile(r"\b(?:synthesis|synopsys|pragma|synthesis_tool)\s+translate_(on|off)\b")
_INCLUDE = re.compile(r'`include\s+"([^"]+)"')
_SYNTHESIS = "SYNTHESIS"
_DEPTH = 32
"""Of includes in includes."""


@dataclass(frozen=True)
class Token:
    """A piece of a source.

    Attributes:
        kind: word, number, string or mark.
        start: its place in the text.
        depth: open parentheses, brackets and braces around it; an opening one counts itself not.
        frozen: it is for the simulation alone, as behind `ifndef SYNTHESIS`: no part of the design.
    """

    kind: str
    text: str
    start: int
    depth: int
    frozen: bool = False

    @property
    def end(self) -> int:
        """Where the token ends in the text."""
        return self.start + len(self.text)


@dataclass
class _Branch:
    """A conditional that is open: whether its text is compiled, was in a branch before, and whether it is design."""

    active: bool
    taken: bool
    frozen: bool


@dataclass
class Preprocessor:
    """What is known of macros from one file to the next, in the order of compilation.

    Attributes:
        defined: names of macros.
        folders: where included files lie, after the folder of the file that includes them.
    """

    defined: set[str] = field(default_factory=set)
    folders: tuple[Path, ...] = ()

    def tokenise(self, source: str, folder: Path | None = None, depth: int = 0) -> list[Token]:
        """The tokens of a source that a simulator compiles, without comments and directives.

        >>> [token.text for token in Preprocessor().tokenise("assign y = a <= 4'd3; // note")]
        ['assign', 'y', '=', 'a', '<=', "4'd3", ';']
        """
        tokens: list[Token] = []
        branches: list[_Branch] = []
        off, level = False, 0
        for match in _TOKEN.finditer(source):
            kind, text = match.lastgroup or "", match[0]
            active = all(branch.active for branch in branches)
            if kind == "skip":
                switch = _TRANSLATE.search(text)
                off = switch[1] == "off" if switch else off
            elif kind == "condition":
                self._condition(text, branches)
            elif kind == "directive" and active:
                self._directive(text, folder, depth)
            elif active and kind not in ("directive", "bare"):
                level = max(0, level - 1) if text in (")", "]", "}") else level
                frozen = off or any(branch.frozen for branch in branches)
                tokens.append(Token(kind, text, match.start(), level, frozen))
                level += text in ("(", "[", "{", "'{")
        return _without_timing(tokens)

    def _condition(self, text: str, branches: list[_Branch]) -> None:
        word, name = (*text[1:].split(), "")[:2]
        if word in ("ifdef", "ifndef"):
            active = (name in self.defined) == (word == "ifdef")
            branches.append(_Branch(active, active, frozen=name == _SYNTHESIS))
        elif branches and word == "endif":
            branches.pop()
        elif branches:
            last = branches[-1]
            last.active = not last.taken and (word == "else" or name in self.defined)
            last.taken |= last.active

    def _directive(self, text: str, folder: Path | None, depth: int) -> None:
        words = re.findall(r"\w+", text[:1000])
        if words[0] == "define" and len(words) > 1:
            self.defined.add(words[1])
        elif words[0] == "undef" and len(words) > 1:
            self.defined.discard(words[1])
        elif words[0] == "include" and depth < _DEPTH and (named := _INCLUDE.match(text)):
            places = (place / named[1] for place in (folder, *self.folders) if place is not None)
            if (file := next(filter(Path.is_file, places), None)) is not None:
                self.tokenise(read_source(file), file.parent, depth + 1)


def _without_timing(tokens: Iterable[Token]) -> list[Token]:
    """Freeze `specify` and `table` blocks, and delays: `#1`, `#(1)` is a delay where no parameter is named."""
    kept: list[Token] = []
    inside = False
    for token in tokens:
        inside = inside or token.text in ("specify", "table")
        delay = token.kind == "number" and bool(kept) and kept[-1].text == "#"
        kept.append(replace(token, frozen=True) if (inside or delay) and not token.frozen else token)
        inside = inside and token.text not in ("endspecify", "endtable")
    return kept


def read_source(path: Path) -> str:
    """The text of a source; bytes that are no UTF-8 and line ends stay as they are through `write_source`."""
    return path.read_bytes().decode("utf-8", "surrogateescape")


def write_source(path: Path, text: str) -> None:
    """The inverse of `read_source`."""
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
