"""Processes that work for this one: what they give back, and that none is left, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from intinfer.files.children import workers

SCRIPT = """
import os, sys, time
from pathlib import Path
from intinfer.files.children import workers

def begin(folder):
    Path(folder, f"{os.getpid()}.worker").touch()

def sleep(_):
    time.sleep(60)

if __name__ == "__main__":
    with workers(2, begin, sys.argv[1]) as pool:
        for future in [pool.submit(sleep, n) for n in range(5)]:
            future.result()
"""


def begin(text: str) -> None:
    os.environ["INTINFER_TEST_WORKER"] = text


def told(number: int) -> tuple[str, int]:
    return os.environ["INTINFER_TEST_WORKER"], number


def end(_: int) -> None:
    os._exit(1)


def sleep(seconds: int) -> None:
    time.sleep(seconds)


def test_all_have_begun_and_give_back_what_they_made() -> None:
    with workers(2, begin, "set once") as pool:
        assert list(pool.map(told, range(4))) == [("set once", number) for number in range(4)]
    assert "INTINFER_TEST_WORKER" not in os.environ


def test_one_that_ends_is_noticed() -> None:
    with pytest.raises(BrokenProcessPool), workers(1, begin, "") as pool:
        pool.submit(end, 0).result()


def test_they_are_killed_when_the_body_is_left() -> None:
    def leave() -> None:
        with workers(2, begin, "") as pool:
            running = pool.submit(sleep, 600)
            while not running.running():
                time.sleep(0.01)
            raise KeyError

    begun = time.monotonic()
    with pytest.raises(KeyError):
        leave()
    assert time.monotonic() - begun < 60


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGKILL, False), (signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGINT, True)],
)
def test_they_end_with_this_process(tmp_path: Path, number: signal.Signals, group: bool) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        deadline = time.monotonic() + 60
        while len(pids := [int(path.stem) for path in tmp_path.glob("*.worker")]) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(pids) == 2
        (os.killpg if group else os.kill)(process.pid, number)
        out, err = process.communicate(timeout=30)
    assert out == ""
    assert err.count("Traceback") <= (number == signal.SIGINT), err  # this process's own
    deadline = time.monotonic() + 20
    while any(map(runs, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(runs, pids))


SPAWNING = """
import multiprocessing, os, re, signal, time
from concurrent.futures.process import BrokenProcessPool
from intinfer.files.children import workers

def begin():
    pass

def catches(pid):
    return int(re.search("SigCgt:\\s*(\\w+)", open(f"/proc/{pid}/status").read())[1], 16) >> signal.SIGINT - 1 & 1

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with workers(1, begin) as pool:
        future = pool.submit(abs, 1)
        (process,) = multiprocessing.active_children()
        while not catches(process.pid):
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGINT)
        try:
            future.result()
        except BrokenProcessPool:
            print("ended")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_an_interrupt_while_they_begin_prints_nothing(tmp_path: Path) -> None:
    """A terminal tells all processes, and in those that have just been started Python would print where it was."""
    script = tmp_path / "script.py"
    script.write_text(SPAWNING)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")


def runs(pid: int) -> bool:
    """A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
