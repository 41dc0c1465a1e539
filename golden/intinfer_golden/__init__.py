"""What a hardware team needs beside the answer: every value of a run, on disk, and the comparison with its dumps."""

from . import words
from .compare import verify
from .isolated import write_isolated
from .layout import Tile, WordOptions
from .manifest import load
from .regions import Region, isolate
from .vectors import write_vectors

__all__ = [
    "Region",
    "Tile",
    "WordOptions",
    "isolate",
    "load",
    "verify",
    "words",
    "write_isolated",
    "write_vectors",
]
