"""A child process and its parent: it ends when the parent has ended, and puts no file in its place after that."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable

PARENT = "INTINFER_PARENT"
"""Set in a child of ours to "number of the parent, end of a pipe whose other end only the parent holds"."""

_parent: int | None = None
"""The number of the parent of this process, when it follows it."""


def follow_parent() -> None:
    """Make this process, a child of ours, end as soon as the parent has ended."""
    global _parent
    text = os.environ.pop(PARENT, "")
    if not text or os.name != "posix":
        return
    _parent, pipe = (int(part) for part in text.split(","))
    if orphaned():
        os._exit(1)
    _end_after(lambda: os.read(pipe, 1))  # nothing is ever written: it ends with the other end


def follow_parent_of_worker() -> None:
    """As `follow_parent`, for a process that `multiprocessing` has started."""
    global _parent
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if os.name == "posix":
        _parent = parent.pid
    _end_after(parent.join)


def _end_after(parent_ends: Callable[[], object]) -> None:
    """End this process when the function returns."""

    def watch() -> None:
        parent_ends()
        os._exit(1)

    threading.Thread(target=watch, name="watch parent", daemon=True).start()


def orphaned() -> bool:
    """Tell whether the parent that this process follows is gone, so that nobody waits for its files."""
    return _parent is not None and os.getppid() != _parent
