"""Standard output and error as a command can rely on them, whatever they were closed with or lead to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from errno import EBADF
from typing import Any, TextIO

NAME = "standard output"


class _Stream:
    """A stream whose failure is kept, and which leads nowhere from then on: a full disk is reported once, not again by
    the interpreter's last flush."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write the text, or nowhere after a failure; its length, as `TextIO` gives it."""
        self._attempt(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush what is written, or nothing after a failure."""
        self._attempt(self._stream.flush)

    def _attempt(self, action: Callable[[], object]) -> None:
        if self.failure is None:
            try:
                action()
            except (OSError, ValueError) as error:  # ValueError: it was closed by somebody
                self.failure = error if isinstance(error, OSError) else OSError(EBADF, os.strerror(EBADF))
                discard(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Answers(_Stream):
    """Standard output: what it cannot take is an error that names it, whoever caught it before."""

    def _attempt(self, action: Callable[[], object]) -> None:
        super()._attempt(action)
        if self.failure is not None:
            self.failure.filename = NAME
            raise self.failure


@contextmanager
def safe() -> Iterator[None]:
    """Make sure that in the body both streams are there, stdout takes every string and says its name when it fails,
    and stderr never fails: there is nobody to tell.

    A stream that was closed leads nowhere. Its number is taken first: a file opened later would get it, and with it
    what was meant for the stream.
    """
    _take_closed_numbers()
    out, err = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    if hasattr(out, "reconfigure"):
        out.reconfigure(errors="backslashreplace")  # a file name need not be text
    with redirect_stdout(_Answers(out)), redirect_stderr(_Stream(err)):
        yield


def _take_closed_numbers() -> None:
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            os.set_inheritable(number, True)  # to a child


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8", errors="backslashreplace")


def discard(stream: TextIO) -> None:
    """Let what a stream still buffers go nowhere, so that the interpreter's last flush is quiet."""
    with suppress(OSError, ValueError, AttributeError):
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, stream.fileno())
        os.close(handle)
