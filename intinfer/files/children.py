"""Child processes: the one place that starts them. Each ends with the process that started it, however that ends.

Linux sends a death signal. Elsewhere, and as well, a child of ours watches a pipe whose other end only this process
holds; see `parent`.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from .parent import PARENT, follow_parent_of_worker

_SET_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG."""


@contextmanager
def child(
    command: Sequence[str], environment: Mapping[str, str], stdout: int | None = None, stderr: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A running `command`, with this process's streams unless others are given as `subprocess.Popen` takes them;
    killed when it still runs at the end of the body.

    It is also killed when the thread that is here ends, and `command` should call `follow_parent` if it is ours. While
    the body runs, SIGTERM ends the child, too, and this process as it would have.
    """
    if os.name != "posix":
        with (
            subprocess.Popen(command, env=environment, stdout=stdout, stderr=stderr) as process,
            _killed_in_the_end(process),
        ):
            yield process
        return
    watched, held = os.pipe()
    try:
        with (
            subprocess.Popen(
                command,
                env={**environment, PARENT: f"{os.getpid()},{watched}"},
                pass_fds=[watched],
                preexec_fn=_death_signal(os.getpid()),
                stdout=stdout,
                stderr=stderr,
            ) as process,
            _killed_in_the_end(process),
        ):
            yield process
    finally:
        os.close(watched)
        os.close(held)


@contextmanager
def workers(count: int, begin: Callable[..., object], *arguments: Any) -> Iterator[Executor]:
    """So many processes of Python for functions of ours, each begun with `begin(*arguments)`.

    They are new ones, which import what they need: what they are given and give back is pickled. When the body is
    left early they are killed, whatever they do.
    """
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(count, _Context(), initializer=_begin_worker, initargs=(begin, *arguments))
    try:
        yield pool
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


class _QuietWorker(SpawnProcess):
    """A process that is begun with SIGINT blocked: Python would print a traceback for one that comes before
    `_begin_worker`, which lets it through."""

    def start(self) -> None:
        """Start it, as `multiprocessing` does."""
        if os.name != "posix":
            return super().start()
        resource_tracker.ensure_running()  # which lets SIGINT through once it has begun
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    Process = _QuietWorker


def _begin_worker(begin: Callable[..., object], *arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the terminal tells all of them: nothing is to be printed
    if os.name == "posix":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    follow_parent_of_worker()
    begin(*arguments)


@contextmanager
def _killed_in_the_end(process: subprocess.Popen[bytes]) -> Iterator[None]:
    with clean_end(process.kill):
        try:
            yield
        finally:
            process.kill()  # nothing happens to one that has ended


@contextmanager
def clean_end(*first: Callable[[], object]) -> Iterator[None]:
    """SIGTERM in the body calls the functions given, and then ends this process as an interrupt does: what the body
    holds is released."""

    def stop(number: int, _: object) -> None:
        for function in first:
            function()
        sys.exit(128 + number)

    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if main else None
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def ended(process: subprocess.Popen[bytes], seconds: float | None = None) -> int:
    """Wait for a child and return its exit code; a child that is interrupted with this process may end by itself.

    Raises subprocess.TimeoutExpired after so many `seconds`.
    """
    try:
        return process.wait(seconds)
    except KeyboardInterrupt:  # the terminal has told the child, too
        with suppress(subprocess.TimeoutExpired):
            return process.wait(2)
        raise


def _death_signal(parent: int) -> Callable[[], None] | None:
    """What a new process calls before it becomes the command."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it had ended before
            os._exit(1)

    return ask
