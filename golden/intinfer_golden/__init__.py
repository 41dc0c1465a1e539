"""What a hardware team needs beside the answer: every value of a run, on disk, and the comparison with its dumps."""

from .compare import verify
from .isolated import write_isolated
from .layout import Tile, WordOptions
from .vectors import write_vectors

__all__ = ["Tile", "WordOptions", "verify", "write_isolated", "write_vectors"]
