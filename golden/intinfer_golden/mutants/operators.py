"""Operators on expressions and assignments: what people mistype."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .statements import Statement, assigned, assignment, heads, is_instance, sites
from .tokens import Token


class Change(NamedTuple):
    """`source[start:end]` is what `before` shows; `edits` are the changes of the text, of which it is one."""

    operator: str
    start: int
    end: int
    before: str
    after: str
    edits: tuple[tuple[int, int, str], ...]


Changes = Iterator[Change]
Finder = Callable[[str, list[Token], list[Statement]], Changes]

_KINDS: dict[str, dict[str, tuple[str, ...]]] = {
    "relational": {
        ">=": (">", "<"),
        ">": (">=", "<"),
        "<=": ("<", ">"),
        "<": ("<=", ">"),
        "==": ("!=",),
        "!=": ("==",),
    },
    "arithmetic": {"+": ("-",), "-": ("+",), "*": ("+",), "%": ("/",), "/": ("%",)},
    "logic": {"&&": ("||",), "||": ("&&",), "&": ("|",), "|": ("&", "^"), "^": ("|", "&")},
    "shift": {">>>": (">>", "<<"), ">>": ("<<",), "<<": (">>",), "<<<": (">>>",)},
}
_SWAPS = {text: (operator, swaps) for operator, table in _KINDS.items() for text, swaps in table.items()}
"""Operator -> the kind of the change, and what it becomes."""
_FORMATS = {"b": (2, "b"), "o": (8, "o"), "d": (10, "d"), "h": (16, "x")}
"""Letter of a literal -> its base, and how Python writes it."""


def one(operator: str, source: str, start: int, end: int, after: str) -> Change:
    """A change of one place."""
    return Change(operator, start, end, source[start:end], after, ((start, end, after),))


def _swapped(source: str, tokens: list[Token], statements: list[Statement]) -> Changes:
    """One operator for another; unary minus and reductions are left to `_signs` and `_negations`."""
    for statement in statements:
        assigning = assignment(statement)
        for before, token, _ in sites(statement):
            operator, swaps = _SWAPS.get(token.text, ("", ()))
            binary = before.kind in ("word", "number") or before.text in (")", "]", "}")
            if (binary or token.text == "<=") and token is not assigning:
                yield from (one(operator, source, token.start, token.end, after) for after in swaps)


def _constants(source: str, tokens: list[Token], statements: list[Statement]) -> Changes:
    """A number one higher and one lower; a bit, and a parameter of an instance that is 0 or 1, the other way.

    Bits in the connections of instances tie off inputs that are not used: they stay.
    """
    for statement in statements:
        instance = is_instance(statement)
        for before, token, behind in sites(statement):
            bit = re.fullmatch(r"1'b[01]|'[01]", token.text)
            flag = instance and token.text in "01" and (before.text, behind.text) == ("(", ")")
            if flag or (bit and not instance):
                after = [token.text[:-1] + ("1" if token.text[-1] == "0" else "0")]
            else:
                after = _neighbours(token.text) if token.kind == "number" and not bit else []
            yield from (one("constant", source, token.start, token.end, text) for text in after)


def _neighbours(number: str) -> list[str]:
    """The literals of the values next to a whole number's, which fit into its width."""
    if len(number) > 1000:
        return []
    if re.fullmatch(r"\d[\d_]*", number):
        value = int(number.replace("_", ""))
        return [str(value + 1), str(value - 1)] if value else ["1"]
    match = re.fullmatch(r"(\d[\d_]*)?\s*'([sS]?)([bodhBODH])\s*([0-9a-fA-F_]+)", number)
    if match is None:
        return []  # real, or with x or z
    width, signed, letter, digits = match.groups()
    base, form = _FORMATS[letter.lower()]
    try:
        value = int(digits.replace("_", ""), base)
        bits = int(width.replace("_", "")) if width else 32
    except ValueError:  # digits of another base
        return []
    if bits > 4096:
        return []
    values = dict.fromkeys((candidate % (1 << bits) if bits else 0) for candidate in (value + 1, value - 1))
    return [f"{width or ''}'{signed}{letter}{other:{form}}" for other in values if other != value]


def _signs(source: str, tokens: list[Token], statements: list[Statement]) -> Changes:
    """A sign dropped: `$signed` made `$unsigned`, `signed` left out of a declaration, unary minus gone."""
    opening = ("(", "?", ":", "=", ",", "[")
    for before, token in zip([None, *tokens], tokens, strict=False):
        unary_minus = token.text == "-" and before is not None and before.text in opening
        if token.text in ("$signed", "signed") or unary_minus:
            after = "$unsigned" if token.text == "$signed" else ""
            yield one("sign", source, token.start, token.end, after)


def _negations(source: str, tokens: list[Token], statements: list[Statement]) -> Changes:
    for statement in statements:
        yield from (
            one("negation", source, token.start, token.end, "") for token in statement if token.text in ("!", "~")
        )


def _conditions(source: str, tokens: list[Token], statements: list[Statement]) -> Changes:
    """`if (c)` always, never, the other way."""
    for statement in statements:
        for start, end in ((statement[o].end, statement[c].start) for o, c in heads(statement, "if") if c > o + 1):
            condition = source[start:end]
            other_way = [] if condition.lstrip().startswith("!") else [f"!({condition})"]  # else `_negations` has it
            yield from (one("condition", source, start, end, text) for text in ("1'b1", "1'b0", *other_way))


def _branches(source: str, tokens: list[Token], statements: list[Statement]) -> Changes:
    """`c ? a : b` with its branches swapped."""
    for i, token in enumerate(tokens):
        colon = _matching_colon(tokens, i) if token.text == "?" else None
        if colon is None:
            continue
        last = next((t for t in tokens[colon + 1 :] if t.depth < token.depth or _ends_branch(t, token)), None)
        if last is not None:
            first = source[token.end : tokens[colon].start].strip()
            second = source[tokens[colon].end : last.start].strip()
            yield one("branches", source, token.end, last.start, f" ({second}) : ({first})")


def _ends_branch(token: Token, question: Token) -> bool:
    return token.text == ";" or (token.text == "," and token.depth == question.depth)


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


def _deletions(source: str, tokens: list[Token], statements: list[Statement]) -> Changes:
    """A register that is not written: state left over from the frame before, a counter that stands still."""
    for statement in statements:
        if (assigning := assignment(statement)) is not None:
            begin = statement[assigned(statement, assigning)].start
            yield one("deletion", source, begin, statement[-1].start, "")


def _lanes(source: str, tokens: list[Token], statements: list[Statement]) -> Changes:
    """Lanes in reverse: `[i * W +: W]` in a loop over i < N reads lane N - 1 - i."""
    loops = {
        match[1]: match[2]
        for match in re.finditer(r"for\s*\(\s*(?:int|integer|genvar)?\s*(\w+)\s*=\s*0\s*;\s*\1\s*<\s*(\w+)\s*;", source)
    }
    for opened, name, star in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opened.text == "[" and name.text in loops and star.text == "*":
            yield one("lanes", source, name.start, name.end, f"({loops[name.text]} - 1 - {name.text})")


FINDERS: tuple[Finder, ...] = (
    _swapped,
    _constants,
    _signs,
    _negations,
    _conditions,
    _branches,
    _deletions,
    _lanes,
)
