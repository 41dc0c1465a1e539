"""Foreign files are read in a child process: what kills it is said in one line, and nothing half is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from intinfer.cli import main

pytest.importorskip("torch")
if sys.platform != "linux":
    pytest.skip("limits are the system's", allow_module_level=True)

CODE = """
import os, signal, sys, time
from torch import nn

def write():
    with open("child", "w") as file:
        file.write(f"{os.getpid()} {sys.flags.safe_path} {'INTINFER_CHILD' in os.environ}")

def crash():
    os.kill(os.getpid(), signal.SIGSEGV)

def killed():
    os.kill(os.getpid(), signal.SIGKILL)

def sleep():
    write()
    time.sleep(60)

def spin():
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, (1 + int(sum(os.times()[:2])), resource.getrlimit(resource.RLIMIT_CPU)[1]))
    while True:
        pass

def hoard():
    return [bytes(2**30) for _ in range(100)]

def busy():
    # holds the interpreter's lock for a while, then gives a whole network
    write()
    import ctypes
    ctypes.PyDLL(None).usleep(2_000_000)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 3))

def answer():
    write()
    return 7
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "usercode.py").write_text(CODE)
    (tmp_path / "net.pt").write_bytes(b"")
    return tmp_path


def command(name: str, *options: str) -> list[str]:
    source = ["net.pt", "--factory", f"usercode:{name}", "--shape", "input=1,3,4,4", "-o", "m.npz"]
    return [sys.executable, "-m", "intinfer", "convert", *source, *options]


def called(folder: Path, name: str, *options: str) -> tuple[int, str]:
    done = subprocess.run(command(name, *options), cwd=folder, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert not (folder / "m.npz").exists()
    first, *rest = done.stderr.splitlines()
    assert first == f"--factory usercode:{name}: running code of that module"
    (line,) = rest
    return done.returncode, line.removeprefix("intinfer: error: ")


def test_a_child_reads_the_file(folder: Path) -> None:
    code, line = called(folder, "answer")
    assert (code, line) == (2, "net.pt: --factory usercode:answer: it returned int, a torch.nn.Module is needed")
    pid, safe_path, inherited = (folder / "child").read_text().split()
    assert int(pid) != os.getpid()
    assert (safe_path, inherited) == ("True", "False")


def test_a_crash_is_one_line(folder: Path) -> None:
    code, line = called(folder, "crash", "--memory-limit", "16")
    assert (code, line) == (
        2,
        "net.pt: crashed the library that reads it (SIGSEGV); the file is damaged, or needs more than 16 GiB "
        "(--memory-limit): export it again",
    )


@pytest.mark.parametrize("name", ["killed", "spin"])
def test_the_system_may_end_it(folder: Path, name: str) -> None:
    code, line = called(folder, name, "--memory-limit", "16")
    assert code == 2
    assert line == (
        "net.pt: stopped for want of time or memory (16 GiB); give more with --time-limit or --memory-limit, or a "
        "smaller network"
    )


def test_memory_ends(folder: Path) -> None:
    code, line = called(folder, "hoard", "--memory-limit", "8")
    assert code == 2
    assert "MemoryError" in line or line == "convert: not enough memory; raise --memory-limit"


def test_time_ends(folder: Path) -> None:
    done = subprocess.run(command("sleep", "--time-limit", "0.2"), cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "intinfer: error: net.pt: not done after 0.2 s; give more with --time-limit, or a smaller network\n"
    )


def number_of_child(folder: Path) -> int:
    """As soon as it runs."""
    child, deadline = folder / "child", time.monotonic() + 60
    while not (child.exists() and child.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return int(child.read_text().split()[0])


def runs(pid: int) -> bool:
    """A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ends(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not runs(pid)


@pytest.mark.parametrize("name", ["sleep", "busy"])
def test_it_ends_with_a_parent_that_is_killed(folder: Path, name: str) -> None:
    with subprocess.Popen(command(name), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        pid = number_of_child(folder)
        process.kill()
    assert ends(pid, 1)
    assert not (folder / "m.npz").exists()
    assert not list(folder.glob(".intinfer-*"))


PARENT = """
import os, sys
from intinfer.files import children
children._death_signal = lambda parent: None
with children.child([sys.executable, "-c", CHILD], os.environ) as child:
    child.wait()
"""
CHILD = """
import ctypes, os, sys, time
from pathlib import Path
from intinfer.files import atomic, parent
parent.follow_parent()
def write(part):
    part.write_bytes(b"whole")
    Path("child").write_text(str(os.getpid()))
    BODY
atomic.replace_file("out", write)
"""


@pytest.mark.parametrize(
    "body",
    ["time.sleep(60)", "ctypes.PyDLL(None).usleep(3_000_000)"],
    ids=["the watched pipe", "the look before the rename"],
)
def test_it_ends_without_a_death_signal(folder: Path, body: str) -> None:
    """The pipe alone, as on other systems; and a child that cannot look at it until it renames its output."""
    code = PARENT.replace("CHILD", repr(CHILD.replace("BODY", body)))
    with subprocess.Popen([sys.executable, "-c", code], cwd=folder, stderr=subprocess.DEVNULL) as process:
        pid = number_of_child(folder)
        process.kill()
    assert ends(pid, 10)
    assert not (folder / "out").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_with_its_parent(folder: Path, number: signal.Signals, code: int) -> None:
    with subprocess.Popen(
        command("sleep"),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job of a shell ignores it
    ) as process:
        pid = number_of_child(folder)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # a terminal tells every process
        else:
            process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err.splitlines()[1:] == (["intinfer: interrupted"] if number == signal.SIGINT else [])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("text", ["0", "-3", "x", "nan", "1e99"])
@pytest.mark.parametrize("option", ["--time-limit", "--memory-limit"])
def test_limits_are_numbers(option: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "a.onnx", "-o", "b.npz", f"{option}={text}"]) == 2
    assert f"convert: argument {option}: {text!r} is not a number above 0; see" in capsys.readouterr().err


def test_what_check_notes_is_said_once(tmp_path: Path) -> None:
    """The child looks at model and source, not this process as well."""
    import torch

    from intinfer_converters.nets import build

    net, run = "mognet:n=4,g=1,k=2,height=8,width=8,classes=3,layout=1m,pool=1", [sys.executable, "-m", "intinfer"]
    files = [str(tmp_path / name) for name in ("a.pt", "b.pt", "m.npz")]
    for seed, file in enumerate(files[:2]):
        torch.manual_seed(seed)
        torch.save(build(net).state_dict(), file)
    subprocess.run([*run, "convert", files[0], "--net", net, "-o", files[2]], check=True, capture_output=True)
    check = [*run, "check", files[2], files[1], "--limit", "1"]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.stderr.count("is not the file that the model was converted from") == 1
