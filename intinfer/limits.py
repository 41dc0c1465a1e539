"""How large the parts of a graph may be. `GraphBuilder` refuses more, so that every graph it makes can be saved."""

MAX_NAME = 200
"""Characters of the name of a value or an output."""
MAX_TEXT = 1_000
"""Characters of a class, and of a note where a node came from."""
MAX_NOTE = 10_000
"""Characters of a provenance entry."""
MAX_ELEMENTS = 2**31
"""Elements of one value, padded or not. A larger one is a mistake or an attack, refused before memory is spent."""
MAX_NODES = 10_000
MAX_ENDS = 1_000
"""Inputs, outputs and provenance entries, each."""
MAX_LIST = 2**20
"""Items of everything else that is a list."""
MAX_FRACTION_DIGITS = 640
"""Above and below; Python converts this many whatever its limit is set to."""
