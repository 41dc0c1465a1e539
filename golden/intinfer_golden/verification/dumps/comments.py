"""Comments of text files, which come in blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping


class Comments:
    """Takes comments out, of which one may begin in one block and end in another.

    Attributes:
        open: the mark of a comment that is not at its end; empty outside comments.
    """

    def __init__(self, closings: Mapping[bytes, bytes]) -> None:
        """`closings`: what ends a comment, by the mark that begins it; a newline that ends one stays."""
        self._closings = closings
        self._opening = re.compile(b"|".join(re.escape(mark) for mark in closings))
        self.open = b""

    def without(self, block: bytes) -> bytes:
        """The next block without its comments; lines stay lines, and a comment within one is a blank."""
        bare, position = [], 0
        while position < len(block):
            if not self.open:
                opening = self._opening.search(block, position)
                bare.append(block[position : opening.start() if opening else None])
                if opening is None:
                    break
                self.open, position = opening[0], opening.end()
            closing = self._closings[self.open]
            end = block.find(closing, position)
            bare.append(b"\n" * block.count(b"\n", position, None if end < 0 else end) or b" ")
            if end < 0:
                break
            position = end + (0 if closing == b"\n" else len(closing))
            self.open = b""
        return b"".join(bare)
