"""Child processes that end: by themselves, after a time, or with the campaign that they belong to."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import which

TIMEOUT = 124
"""Return code of a process that was ended because it took too long, as that of timeout(1)."""
_KEPT = 1 << 20
"""Bytes of output that are kept from its beginning, and as many from its end."""
_FLOOD = 1 << 28
"""Bytes of output after which a process is ended."""


class StoppedError(Exception):
    """The campaign is over: no process begins any more."""


@dataclass(frozen=True)
class Ended:
    """Return code, and stdout and stderr in one; of very much only its beginning and its end."""

    returncode: int
    output: str


class Processes:
    """Processes of any number of threads, each in a group of its own, which `stop` ends all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[int] = set()
        self._stopped = False

    def run(self, command: Sequence[str], directory: Path, timeout: float, scratch: Path) -> Ended:
        """Run to its end, or for `timeout` seconds; nothing that it began is left running.

        `scratch` is for its temporary files: a compiler that is killed leaves them.

        Raises StoppedError after `stop`.
        """
        late = threading.Event()
        with self._lock:
            if self._stopped:
                raise StoppedError
            process = subprocess.Popen(
                [*_bound(), *command],
                cwd=directory,
                env={**os.environ, "TMPDIR": str(scratch)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process.pid)

        def end() -> None:
            late.set()
            _kill(process.pid)

        timer = threading.Timer(timeout, end)
        timer.daemon = True
        timer.start()
        try:
            output, flood = _read(process)
        finally:
            timer.cancel()
            _kill(process.pid)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
            with self._lock:
                self._running.discard(process.pid)
        if self._stopped:
            raise StoppedError
        if late.is_set() or flood:
            why = f"after {timeout:g} s" if late.is_set() else f"after {_FLOOD >> 20} MiB of output"
            return Ended(TIMEOUT, f"{output}\n{command[0]}: ended {why}")
        return Ended(process.returncode, output)

    def stop(self) -> None:
        """End all processes, and let none begin."""
        with self._lock:
            self._stopped = True
            for number in self._running:
                _kill(number)


def _bound() -> list[str]:
    """What ends a process with the one that began it, should that be killed."""
    setpriv = which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", "KILL"]


def _kill(number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL)


def _read(process: subprocess.Popen[bytes]) -> tuple[str, bool]:
    """What it prints until it ends, and whether it was ended because it printed too much."""
    assert process.stdout is not None
    begin, end, total = bytearray(), bytearray(), 0
    while chunk := process.stdout.read1(1 << 16):  # type: ignore[attr-defined]
        total += len(chunk)
        room = _KEPT - len(begin)
        begin += chunk[:room]
        end += chunk[max(room, 0) :]
        del end[:-_KEPT]
        if total > _FLOOD:
            return begin.decode("utf-8", "replace"), True
    process.wait()
    return (begin + end).decode("utf-8", "replace"), False
