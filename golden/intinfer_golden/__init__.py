"""What a hardware team needs beside the answer: every value of a run, on disk, and the comparison with its dumps."""

from .describe import words
from .describe.layout import Tile, WordOptions
from .describe.manifest import load
from .describe.regions import Region, isolate
from .make.frames import Stimulus
from .make.isolated import write_isolated
from .make.vectors import write_vectors
from .verification.compare import verify
from .verification.explain import explain

__all__ = [
    "Region",
    "Stimulus",
    "Tile",
    "WordOptions",
    "explain",
    "isolate",
    "load",
    "verify",
    "words",
    "write_isolated",
    "write_vectors",
]
