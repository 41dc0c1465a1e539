"""Foreign files in a child process: what it may use, and what is said when it dies.

`convert` and `check` hand files from anywhere to parsers and runtimes that are not ours (protobuf, torch, ONNX
Runtime). They run the same command line once more in a child whose memory and time are limited, so that a crash in
there is an error line. The child writes to this process's stdout and stderr, ends with it, and its result appears
whole or not at all, as ever.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from ..errors import DataError
from ..files import children
from ..files.parent import follow_parent
from .common import real

CHILD = "INTINFER_CHILD"
"""Set in the child to "address space in bytes, CPU seconds"."""
TIME = 24 * 3600
GIB = 2**30
RESERVED = 4.0
"""GiB of addresses."""


def add_limits(parser: argparse.ArgumentParser) -> None:
    """`--time-limit` and `--memory-limit`."""
    group = parser.add_argument_group("limits", "of the process that reads the source")
    group.add_argument(
        "--time-limit", type=real, metavar="S", help=f"seconds after which it is stopped (default: {TIME})"
    )
    group.add_argument("--memory-limit", type=real, metavar="GIB", help="of memory (default: what the machine has)")


def limited(arguments: argparse.Namespace, argv: Sequence[str] | None) -> int | None:
    """Run the command line in a child and return its exit code; None in the child itself, and for calls from Python.

    Raises:
        DataError: the child used up its time or died.
    """
    if os.environ.get(CHILD):
        follow_parent()
        _apply(os.environ.pop(CHILD))
        return None
    if argv is None:
        return None
    seconds = arguments.time_limit or TIME
    memory = int((arguments.memory_limit or _machine_gib()) * GIB)
    environment = {**os.environ, CHILD: f"{memory},{int(seconds * (os.cpu_count() or 1)) + 1}"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # with -P: the same modules as here
    sys.stdout.flush()
    try:
        with children.child([sys.executable, "-P", "-m", "intinfer", *argv], environment) as child:
            code = children.ended(child, seconds)
    except subprocess.TimeoutExpired:
        raise DataError(
            f"{arguments.source}: not done after {seconds:g} s; give more with --time-limit, or a smaller network"
        ) from None
    if code >= 0:
        return code
    if -code in (signal.SIGKILL, getattr(signal, "SIGXCPU", 24)):
        raise DataError(
            f"{arguments.source}: stopped for want of time or memory ({memory / GIB:.3g} GiB); give more with "
            "--time-limit or --memory-limit, or a smaller network"
        )
    raise DataError(
        f"{arguments.source}: crashed the library that reads it ({signal.Signals(-code).name}); the file is damaged, "
        f"or needs more than {memory / GIB:.3g} GiB (--memory-limit): export it again"
    )


def _apply(text: str) -> None:
    """Limit this process, where the system can."""
    memory, seconds = (int(part) for part in text.split(","))
    try:
        import resource
    except ImportError:  # no such limits on this system; the wall clock is kept by the parent
        return
    for kind, limit in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds)):
        _, hard = resource.getrlimit(kind)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, hard))


def _machine_gib() -> float:
    """Physical memory, and what libraries reserve without using it."""
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return RESERVED + os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return 64.0
