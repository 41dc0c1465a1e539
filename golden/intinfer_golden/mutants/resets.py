"""Operators on resets: a register that is not reset, or to another value, and a reset that is not looked at.

A register that is not reset is also given an initial value, as an FPGA does: in a simulation it is then right until
the design is reset again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .operators import Change, Changes
from .statements import Statement, heads
from .tokens import Token

_NAME = re.compile(r"(?i)(?:^|_)(?:[anips]|sys|soft|sync|async|core|global|glb)*_?(?:rst|reset)")
_LOW = re.compile(r"(?i)(?:rst|reset)(?:_?n|_?b|_?ni|_?l|_?low|_?bar)$|(?:rst|reset)_?n_\w+$|^n_?(?:rst|reset)")
_OTHER = "37"
"""A value that no register is reset to, in five lines of code or five thousand."""
_BESIDE = {"0": "-1", "'0": "1"}
"""One below 0, and one above: a sum begins one off. The other side, and those of other numbers, has `constant`."""


@dataclass(frozen=True)
class _Reset:
    """An `if` on a reset: where its condition stands and what registers it resets.

    Attributes:
        condition: start and end in the source.
        always: start of the `always` that it is in.
        tested: the value of the condition while there is no reset.
        assignments: first token, `<=` and `;` of each.
    """

    condition: tuple[int, int]
    always: int
    tested: bool
    assignments: tuple[tuple[Token, Token, Token], ...]


def changes(source: str, tokens: list[Token], statements: list[Statement]) -> Changes:
    """Of each reset: one register has its value from the beginning and keeps it in a second reset, or is reset to 37 or
    one off (of one bit, `constant` has the other value); or the reset is not looked at, and all of them go on in a
    second one.
    """
    for reset in _resets(tokens):
        initials = [_initial(source, *found) for found in reset.assignments]
        for (first, operator, last), initial in zip(reset.assignments, initials, strict=True):
            start, end, value = first.start, last.start, source[operator.end : last.start]
            if initial is not None:
                edits = ((reset.always, reset.always, f"initial {initial} "), (start, end, ""))
                yield Change("not reset", start, end, source[start:end], f"initial {initial}", edits)
            if not re.fullmatch(r"\s*1'b[01]\s*", value):
                for other in filter(None, (_OTHER, _BESIDE.get(value.strip()))):
                    edit = (operator.end, end, f" {other}")
                    yield Change("reset value", operator.end, end, value.strip(), other, (edit,))
        if initials and None not in initials:
            start, end = reset.condition
            text = "1'b1" if reset.tested else "1'b0"
            values = "initial begin " + " ".join(filter(None, initials)) + " end "
            edits = ((reset.always, reset.always, values), (start, end, text))
            yield Change("reset ignored", start, end, source[start:end], f"{text}, initialised", edits)


def _initial(source: str, first: Token, operator: Token, last: Token) -> str | None:
    """`q <= v` as a statement of an `initial`; None for what is neither a plain register nor a loop over a memory."""
    target, value = source[first.start : operator.start].strip(), source[operator.end : last.start].strip()
    if first.text != "for" and not re.fullmatch(r"\\?\w+(?:\s*\[[\d\s:]+\])?", target):
        return None
    return f"{target} = {value};"


def _resets(tokens: list[Token]) -> Iterator[_Reset]:
    blocks = [token.start for token in tokens if token.text in ("always", "always_ff")]
    for opened, closed in heads(tokens, "if"):
        always = max((start for start in blocks if start < tokens[opened].start), default=None)
        holds = _in_reset(tokens[opened + 1 : closed])
        if always is None or holds is None:
            continue
        block = _block(tokens[closed + 1 :])
        if not holds:
            behind = tokens[closed + 1 + len(block) :]
            block = _block(behind[1:]) if block and behind and behind[0].text == "else" else []
        if block:
            yield _Reset((tokens[opened].end, tokens[closed].start), always, not holds, tuple(_assignments(block)))


def _in_reset(condition: list[Token]) -> bool | None:
    """Whether a condition holds during reset; None where it is about something else, or more."""
    words = [token.text for token in condition if token.kind == "word"]
    if len(words) != 1 or not _NAME.search(words[0]):
        return None
    rest = "".join(token.text for token in condition if token.kind != "word" and token.text not in ("(", ")"))
    forms = {"": False, "!": True, "~": True, "==1'b0": True, "==0": True, "==1'b1": False, "==1": False}
    inverted = forms.get(rest)
    return None if inverted is None else inverted == bool(_LOW.search(words[0]))


def _block(tokens: list[Token]) -> list[Token]:
    """The assignment or the block that the tokens begin with; none where they begin otherwise, or do not end it."""
    simple = bool(tokens) and tokens[0].text != "begin"
    if simple and tokens[0].text in ("if", "case", "casez", "casex", "for"):
        return []
    open_ = 0
    for k, token in enumerate(tokens):
        opens = token.text in ("begin", "case", "casez", "casex", "fork")
        open_ += opens - (token.text in ("end", "endcase", "join", "join_any", "join_none"))
        if token.text == ";" if simple else open_ == 0:
            return tokens[: k + 1]
    return []


def _assignments(block: list[Token]) -> Iterator[tuple[Token, Token, Token]]:
    """First token, `<=` and `;` of each assignment directly in a block."""
    first, operator = None, None
    for i, token in enumerate(block):
        if token.text in ("begin", "end", ";") and token.depth == 0:
            if token.text == ";" and first is not None and operator is not None:
                yield first, operator, token
            first, operator = None, None
        elif block[i - 1].text == ":" and i > 1 and block[i - 2].text == "begin":
            continue
        elif first is None and token.text != ":":
            first = token
        elif token.text == "<=" and token.depth == 0 and operator is None:
            operator = token
