"""Mutants of SystemVerilog: every operator of the list below at every site of a source where it applies.

The sources are the reference RTL of this folder, so a tokeniser and the layout of that code are enough; this is no
Verilog parser. A mutant that does not compile is stillborn and counts neither way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|/\*.*?\*/|`[^\n]*)
      |(?P<string>"(?:[^"\\]|\\.)*")
      |(?P<number>\d*'[sS]?[bodhBODH][0-9a-fA-FxXzZ_?]+|'[01xz]|\d[\d_]*)
      |(?P<word>\$?[A-Za-z_][\w$]*)
      |(?P<mark><<<|>>>|<=|>=|===|!==|==|!=|&&|\|\||<<|>>|\+:|-:|::|\+\+|--|\+=|-=|\*\*|->|'\{|.)""",
    re.VERBOSE | re.DOTALL,
)
_SWAPS = {
    "relational": {">=": (">", "<"), ">": (">=", "<"), "<": ("<=", ">"), "==": ("!=",), "!=": ("==",)},
    "arithmetic": {"+": ("-",), "-": ("+",), "*": ("+",), "%": ("/",), "/": ("%",)},
    "logic": {"&&": ("||",), "||": ("&&",), "&": ("|",), "|": ("&", "^"), "^": ("|", "&")},
    "shift": {">>>": (">>", "<<"), ">>": ("<<",), "<<": (">>",), "<<<": (">>>",)},
}
_ENDS = frozenset((";", "begin", "end", "endmodule", "generate", "endgenerate", "endcase"))
_SIMULATION_ONLY = frozenset(("$display", "$readmemh", "$fatal", "macs"))
_DECLARATIONS = frozenset(("parameter", "localparam", "input", "output", "import", "typedef", "genvar", "module"))


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    depth: int
    """Open parentheses, brackets and braces around it; an opening one counts itself not."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True)
class Mutant:
    """One change of one source: `source[start:end]` becomes `after`."""

    file: str
    operator: str
    start: int
    end: int
    after: str
    line: int
    code: str
    """The source line it is in, stripped: what identifies a mutant when lines move."""
    before: str
    place: int
    """Among the changes of the same kind on lines of the same text."""

    def apply(self, source: str) -> str:
        return source[: self.start] + self.after + source[self.end :]

    @property
    def key(self) -> str:
        """Stable under edits elsewhere in the file."""
        return f"{self.file} | {self.code} | {_short(self.before)} -> {_short(self.after)} | {self.place}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.operator}: {_short(self.before)} -> {_short(self.after)}: {self.code}"


def mutants(file: str, source: str) -> list[Mutant]:
    """All mutants of a source, in the order of the text."""
    tokens = tokenise(source)
    statements = _statements(tokens)
    found: list[tuple[str, int, int, str]] = []
    for find in (_swapped, _constants, _signs, _negations, _conditions, _branches, _deletions, _lanes):
        found += find(source, tokens, statements)
    seen: dict[tuple[str, str, str], int] = {}
    result = []
    for operator, start, end, after in sorted(set(found), key=lambda item: (item[1], item[2], item[0], item[3])):
        line = source.count("\n", 0, start) + 1
        code = source.split("\n")[line - 1].split("//")[0].strip()
        before = source[start:end]
        place = seen[code, before, after] = seen.get((code, before, after), -1) + 1
        result.append(Mutant(file, operator, start, end, after, line, code, before, place))
    return result


def tokenise(source: str) -> list[Token]:
    """The tokens without blanks, comments and directives.

    >>> [token.text for token in tokenise("assign y = a <= 4'd3; // note")]
    ['assign', 'y', '=', 'a', '<=', "4'd3", ';']
    """
    tokens, depth = [], 0
    for match in _TOKEN.finditer(source):
        kind = match.lastgroup or ""
        if kind == "skip":
            continue
        text = match[0]
        if text in (")", "]", "}"):
            depth -= 1
        tokens.append(Token(kind, text, match.start(), depth))
        if text in ("(", "[", "{", "'{"):
            depth += 1
    return tokens


_Statement = list[Token]
_Found = Iterator[tuple[str, int, int, str]]
_Finder = Callable[[str, list[Token], list[_Statement]], _Found]


def _statements(tokens: list[Token]) -> list[_Statement]:
    """Behaviour between `;`, `begin`, `end` and the like; declarations, port lists and parameters are left out."""
    statements: list[_Statement] = []
    current: _Statement = []
    for i, token in enumerate(tokens):
        label = i > 0 and ((token.text == ":" and tokens[i - 1].text == "begin") or _labelled(tokens, i))
        if token.depth == 0 and token.text in _ENDS:
            if current and not _declares(current):
                statements.append([*current, token])
            current = []
        elif not label:
            current.append(token)
    return statements


def _labelled(tokens: list[Token], i: int) -> bool:
    """The name in `begin : name`."""
    return i > 1 and tokens[i - 1].text == ":" and tokens[i - 2].text == "begin"


def _headers(statement: _Statement) -> set[int]:
    """Starts of the tokens in the head of a `for`: loops are unrolled, their bounds are structure. See `_lanes`."""
    inside: set[int] = set()
    for i, token in enumerate(statement[:-1]):
        if token.text == "for":
            rest = statement[i + 1 :]
            closing = next(k for k, t in enumerate(rest) if t.text == ")" and t.depth == rest[0].depth)
            inside |= {t.start for t in rest[: closing + 1]}
    return inside


def _declares(statement: _Statement) -> bool:
    """Declarations without a value, instances and simulation-only calls: a change there is no design error."""
    words = {token.text for token in statement if token.depth == 0}
    if statement[0].text in _DECLARATIONS or "function" in words:
        return True
    if statement[0].text in ("logic", "wire", "reg", "int", "integer") and "=" not in words:
        return True
    return any(token.text in _SIMULATION_ONLY for token in statement)


def _assignments(statement: _Statement) -> set[int]:
    """Starts of the tokens `<=` that assign; every other one compares."""
    for token in statement:
        if token.depth == 0 and token.text == "=":
            return set()
        if token.depth == 0 and token.text == "<=":
            return {token.start}
    return set()


def _targets(statement: _Statement) -> int:
    """Where the declared widths of a statement such as `logic [W-1:0] x = y` end."""
    if statement[0].text in ("logic", "wire", "reg", "int", "integer", "assign"):
        return next((token.start for token in statement if token.depth == 0 and token.text == "="), statement[-1].end)
    return statement[0].start


def _swapped(source: str, tokens: list[Token], statements: list[_Statement]) -> _Found:
    """One operator for another; unary minus and reductions are left to `_signs` and `_negations`."""
    for statement in statements:
        assigning, begin, heads = _assignments(statement), _targets(statement), _headers(statement)
        for before, token in zip([None, *statement], statement, strict=False):
            if token.start < begin or before is None or token.start in heads:
                continue
            binary = before.kind in ("word", "number") or before.text in (")", "]", "}")
            if token.text == "<=" and token.start not in assigning:
                yield from (("relational", token.start, token.end, after) for after in ("<", ">"))
            for operator, table in _SWAPS.items():
                if binary and token.text in table:
                    yield from ((operator, token.start, token.end, after) for after in table[token.text])


def _constants(source: str, tokens: list[Token], statements: list[_Statement]) -> _Found:
    """A number one higher and one lower; a bit, and a parameter of an instance that is 0 or 1, the other way.

    Bits in the connections of instances tie off inputs that are not used: they stay.
    """
    for statement in statements:
        begin, heads = _targets(statement), _headers(statement)
        instance = len(statement) > 1 and statement[1].text == "#"
        for i, token in enumerate(statement):
            if token.kind != "number" or token.start < begin or token.start in heads:
                continue
            flag = instance and token.text in "01" and statement[i - 1].text == "(" and statement[i + 1].text == ")"
            if re.fullmatch(r"1'b[01]|'[01]", token.text):
                if not instance:
                    yield "constant", token.start, token.end, token.text[:-1] + ("1" if token.text[-1] == "0" else "0")
            elif flag:
                yield "constant", token.start, token.end, "1" if token.text == "0" else "0"
            elif token.text.isdigit():
                yield "constant", token.start, token.end, str(int(token.text) + 1)
                if int(token.text):
                    yield "constant", token.start, token.end, str(int(token.text) - 1)


def _signs(source: str, tokens: list[Token], statements: list[_Statement]) -> _Found:
    """A sign dropped: `$signed` made `$unsigned`, `signed` left out of a declaration, unary minus gone."""
    opening = ("(", "?", ":", "=", ",", "[")
    for before, token in zip([None, *tokens], tokens, strict=False):
        unary_minus = token.text == "-" and before is not None and before.text in opening
        if token.text == "$signed":
            yield "sign", token.start, token.end, "$unsigned"
        elif token.text == "signed" or unary_minus:
            yield "sign", token.start, token.end, ""


def _negations(source: str, tokens: list[Token], statements: list[_Statement]) -> _Found:
    for statement in statements:
        yield from (("negation", token.start, token.end, "") for token in statement if token.text in ("!", "~"))


def _conditions(source: str, tokens: list[Token], statements: list[_Statement]) -> _Found:
    """`if (c)` always, never, the other way."""
    for statement in statements:
        for i, token in enumerate(statement[:-1]):
            if token.text == "if" and statement[i + 1].text == "(":
                start = statement[i + 1]
                close = next(t for t in statement[i + 2 :] if t.text == ")" and t.depth == start.depth)
                condition = source[start.end : close.start]
                yield from (("condition", start.end, close.start, after) for after in ("1'b1", "1'b0"))
                if not condition.startswith("!"):  # `_negations` has that
                    yield "condition", start.end, close.start, f"!({condition})"


def _branches(source: str, tokens: list[Token], statements: list[_Statement]) -> _Found:
    """`c ? a : b` with its branches swapped."""
    for i, token in enumerate(tokens):
        if token.text != "?":
            continue
        colon = _matching_colon(tokens, i)
        if colon is None:
            continue
        last = next((t for t in tokens[colon + 1 :] if t.depth < token.depth or t.text in (";", ",")), None)
        if last is not None:
            first = source[token.end : tokens[colon].start].strip()
            second = source[tokens[colon].end : last.start].strip()
            yield "branches", token.end, last.start, f" ({second}) : ({first})"


def _matching_colon(tokens: list[Token], question: int) -> int | None:
    nested = 0
    for i in range(question + 1, len(tokens)):
        if tokens[i].depth < tokens[question].depth or tokens[i].text == ";":
            return None
        if tokens[i].depth == tokens[question].depth:
            nested += {"?": 1, ":": -1}.get(tokens[i].text, 0)
            if nested < 0:
                return i
    return None


def _deletions(source: str, tokens: list[Token], statements: list[_Statement]) -> _Found:
    """A register that is not written: state left over from the frame before, a counter that stands still."""
    for statement in statements:
        assigning = _assignments(statement)
        if not assigning:
            continue
        begin = _assigned(statement, min(assigning))
        yield "deletion", begin, statement[-1].start, ""


def _assigned(statement: _Statement, operator: int) -> int:
    """Start of the assignment itself, after `if (...)`, `else`, `for (...)`, `always_ff @(...)`, a case label."""
    place = 0
    for i, token in enumerate(statement):
        if token.start >= operator:
            break
        head = token.text in ("else", ":") or (token.text == ")" and _is_head(statement, i))
        if token.depth == 0 and head:
            place = i + 1
    return statement[place].start


def _is_head(statement: _Statement, close: int) -> bool:
    opened = max(i for i in range(close) if statement[i].text == "(" and statement[i].depth == statement[close].depth)
    return opened > 0 and statement[opened - 1].text in ("if", "for", "@", "case")


def _lanes(source: str, tokens: list[Token], statements: list[_Statement]) -> _Found:
    """Lanes in reverse: `[i * W +: W]` in a loop over i < N reads lane N - 1 - i."""
    loops = {
        match[1]: match[2]
        for match in re.finditer(r"for\s*\(\s*(?:int|genvar)?\s*(\w+)\s*=\s*0\s*;\s*\1\s*<\s*(\w+)\s*;", source)
    }
    for name, limit in loops.items():
        for match in re.finditer(rf"\[\s*({name})\s*\*", source):
            yield "lanes", match.start(1), match.end(1), f"({limit} - 1 - {name})"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 40 else f"{plain[:37]}..."
