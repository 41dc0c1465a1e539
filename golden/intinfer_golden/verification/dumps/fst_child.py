"""Run as a program: an FST file as a value change dump on stdout. It imports nothing of the package."""

from __future__ import annotations

import os
import signal
import sys

MEMORY = 2**32
SECONDS, BYTES_A_SECOND = 60, 100_000
"""Of the processor, for any file and for its length: a damaged one may keep the library busy for ever."""


def main(path: str) -> int:
    """0, or 1 for a file that cannot be read; the library may crash instead."""
    import pylibfst

    _limit(os.path.getsize(path))
    library, none = pylibfst.lib, pylibfst.ffi.NULL
    reader = library.fstReaderOpen(path.encode("utf-8", "surrogateescape"))
    if reader == none:
        return 1
    out = sys.stdout.buffer
    if not library.fstReaderProcessHier(reader, out):
        return 1
    library.fstReaderSetFacProcessMaskAll(reader)
    done = library.fstReaderIterBlocks(reader, none, none, out)
    library.fstReaderClose(reader)
    return 0 if done else 1


def _limit(size: int) -> None:
    """It ends when nobody reads any more, and does not fill the machine."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        import resource
    except ImportError:
        return
    seconds = SECONDS + size // BYTES_A_SECOND
    for kind, limit in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
