"""Compiled kernels on disk: used by the next process, never when anything is odd about them, never an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from intinfer.cli import main
from intinfer.kernels import store

SCRIPT = """
import sys
import numba.core.event as event
from intinfer.kernels.compiled import compiled

@compiled()
def triple(x):
    return 3 * x

with event.install_recorder("numba:compile") as recorder:
    value = triple(int(sys.argv[1]))
print(value, sum(event.is_start for _, event in recorder.buffer))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(store.FOLDER, str(tmp_path / "cache"))
    return tmp_path / "cache" / "kernels"


def process(tmp_path: Path, text: str = SCRIPT) -> tuple[int, int]:
    """3 * 14 by a process of its own, and how many functions it compiled."""
    (tmp_path / "script.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "script.py", "14"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr == ""
    value, compilations = done.stdout.split()
    return int(value), int(compilations)


def test_the_next_process_compiles_nothing(tmp_path: Path, folder: Path) -> None:
    assert process(tmp_path) == (42, 1)
    (file,) = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert process(tmp_path) == (42, 0)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert process(tmp_path) == (42, 1)
    assert store.read(file.stem) is not None


def test_constants_around_a_function_are_part_of_it(tmp_path: Path, folder: Path) -> None:
    made = "def make(n):\n    @compiled()\n    def times(x):\n        return n * x\n    return times\n"
    text = SCRIPT.replace("@compiled()\ndef triple(x):\n    return 3 * x\n", f"{made}triple = make(3)\n")
    assert process(tmp_path, text) == (42, 1)
    assert process(tmp_path, text.replace("make(3)", "make(4)")) == (56, 1)
    assert process(tmp_path, text) == (42, 0)


@pytest.mark.parametrize("length", [0, 20, 32, 37])
def test_a_part_of_a_kernel_is_none(folder: Path, length: int) -> None:
    store.write("key", b"kernel")
    file = folder / "key.kernel"
    file.write_bytes(file.read_bytes()[:length])
    assert store.read("key") is None


@pytest.mark.skipif(os.name != "posix", reason="modes and links")
@pytest.mark.parametrize("odd", ["folder", "file", "link to the folder", "link to the file"])
def test_what_others_could_have_written_is_not_executed(tmp_path: Path, folder: Path, odd: str) -> None:
    store.write("key", b"kernel")
    assert store.read("key") == b"kernel"
    changed = folder if "folder" in odd else folder / "key.kernel"
    if "link" in odd:
        changed.rename(tmp_path / "elsewhere")
        changed.symlink_to(tmp_path / "elsewhere")
    else:
        changed.chmod(0o777)
    store._folder.cache_clear()  # as in a new process
    assert store.read("key") is None


@pytest.mark.parametrize("chosen", ["", "file", "/proc/no/such"])
def test_without_a_place_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(store.FOLDER, str(tmp_path / chosen) if chosen else "")
    store.write("key", b"kernel")
    assert store.read("key") is None
    assert store.size() == (0, 0)


def test_what_is_no_kernel_of_ours_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write("key", b"kernel")
    (folder / "notes.txt").write_text("mine")
    (folder / "other.kernel").mkdir()
    assert store.read("other") is None
    assert store.size()[0] == 1
    monkeypatch.setattr(store, "MOST", 1)
    store.write("second", b"kernel")
    store.clear()
    assert sorted(file.name for file in folder.iterdir()) == ["notes.txt", "other.kernel"]


def test_the_oldest_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST", 4)
    for number in range(6):
        store.write(str(number), b"kernel")
        os.utime(folder / f"{number}.kernel", (number, number))
    assert [store.read(str(number)) for number in range(6)] == [None, None, *[b"kernel"] * 4]


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == f"{folder}: 0 kernels, 0 bytes\n"
    store.write("a", b"kernel")
    assert main(["cache", "--json"]) == 0
    assert f'"directory": "{folder}"' in (text := capsys.readouterr().out)
    assert '"kernels": 1' in text
    assert main(["cache", "--clear"]) == 0
    assert capsys.readouterr().out == f"{folder}: 1 kernels, 38 bytes, removed\n"
    assert store.size() == (0, 0)
    monkeypatch.setenv(store.FOLDER, "")
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == "there is none: INTINFER_CACHE_DIR is empty\n"


KEPT_APART = """
import itertools, sys
from numba.core import bytecode
from intinfer.kernels.compiled import compiled

def made(number):
    # As the first function of a process: what another process keeps has the same number.
    bytecode.FunctionIdentity._unique_ids = itertools.count(1000)

    @compiled(variant=str(number))
    def function(x):
        total = x
        for i in range(x):
            total += number * i
        return total

    return function

chosen = [made(int(number)) for number in sys.argv[1:]]
if len(chosen) == 2:
    first, second = chosen

    @compiled()
    def both(x):
        return first(x), second(x)

    print(both(4))
else:
    print(chosen[0](4))
"""
"""Run with one number, then with another, then with both, on one folder of kernels."""


def test_functions_of_one_name_that_two_processes_kept(tmp_path: Path) -> None:
    """A third process links both into one function: each stays what it is."""
    script = tmp_path / "kept_apart.py"
    script.write_text(KEPT_APART)

    def run(*numbers: str) -> str:
        environment = os.environ | {store.FOLDER: str(tmp_path / "cache")}
        done = subprocess.run(
            [sys.executable, str(script), *numbers], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert (run("2"), run("3")) == ("16", "22")
    assert run("2", "3") == "(16, 22)"
