"""Run as a program: an FST file as a value change dump on stdout. It imports nothing of the package."""

from __future__ import annotations

import signal
import sys

MEMORY = 2**32
SECONDS = 3600


def main(path: str) -> int:
    """0, or 1 for a file that cannot be read; the library may crash instead."""
    import pylibfst

    _limit()
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


def _limit() -> None:
    """It ends when nobody reads any more, and does not fill the machine."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        import resource
    except ImportError:
        return
    for kind, limit in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
