"""What a simulator wrote: words in a file first (`read_words`), then values of a tensor (`Dump.of`)."""

from .dump import Dump
from .read import SUFFIXES, read_words
from .words import Words

__all__ = ["SUFFIXES", "Dump", "Words", "read_words"]
