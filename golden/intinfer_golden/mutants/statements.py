"""Statements of a source, found by `;`, `begin`, `end` and the like; and what each of them is."""

from __future__ import annotations

from collections.abc import Iterator

from .tokens import Token

Statement = list[Token]
_ENDS = frozenset(
    (
        *(";", "begin", "end", "fork", "join", "join_any", "join_none", "generate", "endgenerate", "endcase"),
        *("endmodule", "endfunction", "endtask", "endpackage", "endinterface", "endclass", "endprogram"),
    )
)
_SIMULATION_ONLY = frozenset(
    (
        *("$display", "$write", "$strobe", "$monitor", "$fwrite", "$fdisplay", "$fopen", "$fclose", "$readmemh"),
        *("$readmemb", "$fatal", "$error", "$warning", "$info", "$finish", "$stop", "$dumpfile", "$dumpvars"),
        *("assert", "assume", "cover", "restrict", "property", "sequence", "covergroup", "endproperty", "endsequence"),
    )
)
_DECLARATIONS = frozenset(
    (
        *("parameter", "localparam", "specparam", "defparam", "input", "output", "inout", "import", "export", "extern"),
        *("typedef", "enum", "struct", "union", "genvar", "module", "macromodule", "package", "interface", "program"),
        *("modport", "class", "function", "task", "timeunit", "timeprecision", "event", "nettype", "let", "alias"),
    )
)
TYPES = frozenset(
    (
        *("logic", "wire", "reg", "int", "integer", "bit", "byte", "shortint", "longint", "time", "real", "realtime"),
        *("tri", "tri0", "tri1", "wand", "wor", "triand", "trior", "supply0", "supply1", "uwire", "var", "automatic"),
        *("static", "const", "signed", "unsigned"),
    )
)
_UNITS = frozenset(("module", "macromodule", "interface", "program", "package"))
_HEADS = frozenset(("if", "for", "@", "case", "casez", "casex", "while", "repeat", "foreach", "wait", "iff", "#"))
_NO_INSTANCE = frozenset(("assign", "return", "else", "if", "case", "casez", "casex", "always", "initial", "unique"))


def statements_of(tokens: list[Token]) -> list[Statement]:
    """Behaviour, each statement with the token that ends it; declarations, port lists and parameters are left out."""
    statements: list[Statement] = []
    current: Statement = []
    for i, token in enumerate(tokens):
        importing = len(current) > 2 and current[0].text in _UNITS and current[-2].text == "::"  # before the ports
        if token.depth == 0 and token.text in _ENDS and not importing:
            if current and not _declares(current):
                statements.append([*current, token])
            current = []
        elif not _labels(tokens, i):
            current.append(token)
    return statements


def _labels(tokens: list[Token], i: int) -> bool:
    """The colon and the name of `begin : name`, `end : name` and the like."""
    before = [token.text for token in tokens[max(0, i - 2) : i]]
    if tokens[i].text == ":":
        return bool(before) and before[-1] in _ENDS - {";"}
    return len(before) == 2 and before[1] == ":" and before[0] in _ENDS - {";"}


def _declares(statement: Statement) -> bool:
    """Declarations without a value, and calls for the simulation alone: a change there is no design error."""
    words = {token.text for token in statement if token.depth == 0}
    return (
        statement[0].text in _DECLARATIONS
        or not words.isdisjoint(("function", "task"))
        or (statement[0].text in TYPES and words.isdisjoint(("=", "<=")))
        or any(token.text in _SIMULATION_ONLY for token in statement)
    )


def is_instance(statement: Statement) -> bool:
    """`name #(...) instance (...)` or `name instance (...)`."""
    if len(statement) < 3 or statement[0].kind != "word" or statement[0].text in _NO_INSTANCE | TYPES:
        return False
    return statement[1].text == "#" or (statement[1].kind == "word" and statement[2].text in ("(", "["))


def sites(statement: Statement) -> Iterator[tuple[Token, Token, Token]]:
    """Each token that computes something, between the one before it and the one behind it; beyond the ends, itself.

    Left out are targets, and the heads of `for`: loops are unrolled, their bounds are structure.
    """
    begin = _target_end(statement)
    structure = {t.start for o, c in heads(statement, "for") for t in statement[o : c + 1]}
    neighbours = zip([statement[0], *statement[:-1]], statement, [*statement[1:], statement[-1]], strict=True)
    return (three for three in neighbours if three[1].start >= begin and three[1].start not in structure)


def heads(tokens: list[Token], word: str) -> Iterator[tuple[int, int]]:
    """Where the brackets directly behind each `word` open and close; without those that do not close."""
    for i, token in enumerate(tokens):
        close = _closing(tokens, i + 1) if token.text == word else None
        if close is not None:
            yield i + 1, close


def _closing(tokens: list[Token], opened: int) -> int | None:
    """Where the bracket at `opened` closes; None where it does not, or is none."""
    if opened >= len(tokens) or tokens[opened].text not in ("(", "[", "{"):
        return None
    depth = tokens[opened].depth
    later = range(opened + 1, len(tokens))
    return next((k for k in later if tokens[k].depth == depth and tokens[k].text in (")", "]", "}")), None)


def assignment(statement: Statement) -> Token | None:
    """The `<=` that assigns; every other one compares."""
    first = next((token for token in statement if token.depth == 0 and token.text in ("=", "<=")), None)
    return None if first is None or first.text == "=" else first


def _target_end(statement: Statement) -> int:
    """Where the declared widths and targets of a statement such as `logic [W-1:0] x = y` end."""
    if statement[0].text in TYPES or statement[0].text == "assign":
        return next((token.start for token in statement if token.depth == 0 and token.text == "="), statement[-1].end)
    return statement[0].start


def assigned(statement: Statement, operator: Token) -> int:
    """Index of the assignment itself, after `if (...)`, `else`, `for (...)`, `always_ff @(...)`, a case label."""
    before = [(i, token) for i, token in enumerate(statement) if token.start < operator.start and token.depth == 0]
    ends = (i for i, token in before if token.text in ("else", ":") or (token.text == ")" and _is_head(statement, i)))
    return max(ends, default=-1) + 1


def _is_head(statement: Statement, close: int) -> bool:
    depth = statement[close].depth
    opened = max((i for i in range(close) if statement[i].text == "(" and statement[i].depth == depth), default=0)
    return opened > 0 and statement[opened - 1].text in _HEADS
