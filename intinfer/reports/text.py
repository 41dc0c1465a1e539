"""Plain text for people: aligned tables, and strings from files made safe to print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Cell = str | int


def printable(text: str) -> str:
    """`text` with control characters as escapes: a name read from a file cannot move the cursor or add a line.

    >>> printable("cat\\n\\x1b[2J")
    'cat\\\\n\\\\x1b[2J'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def elided(text: str, limit: int) -> str:
    """`text`, or of one longer than `limit` characters both ends and how many are left out between.

    >>> elided("a" * 100 + "z", 50)
    'aaaaaaaaaaaaa ... 84 characters left out ... aaaz'
    """
    if len(text) <= limit:
        return text
    room = limit - len(_gap(len(text)))
    last = room // 4
    return text[: room - last] + _gap(len(text) - room) + text[len(text) - last :]


def _gap(count: int) -> str:
    return f" ... {count:,} characters left out ... "


def counted(number: int, noun: str) -> str:
    """
    >>> counted(1, "set"), counted(1234, "set")
    ('1 set', '1,234 sets')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def shape_text(shape: Sequence[int]) -> str:
    """
    >>> shape_text((3, 32, 32))
    '3x32x32'
    """
    return "x".join(str(extent) for extent in shape)


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Columns two spaces apart; a column of integers stands on the right, with thousands separated.

    >>> print(table(("layer", "MACs"), [("conv1", 1234567), ("fc", 10)]))
    layer       MACs
    conv1  1,234,567
    fc            10
    """
    body = [list(row) for row in rows]
    numeric = [bool(body) and all(isinstance(row[i], int) for row in body) for i in range(len(header))]
    cells = [list(header)] + [[f"{c:,}" if isinstance(c, int) else printable(c) for c in row] for row in body]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = (
        "  ".join(c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric, strict=True))
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)
