"""What holds for every verb: help, exit codes, one-line errors, nothing but the answer on stdout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import CLASSES, tiny_graph, tiny_images, write_png

import intinfer
from intinfer.cli import VERBS, main
from intinfer.errors import DataError


def command(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "intinfer", *arguments]
    return subprocess.run(line, text=True, check=False, **{"capture_output": True, **options})  # type: ignore[call-overload,no-any-return]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=False)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_has_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: intinfer {verb} ")
    assert f"\n  intinfer {verb}" in text[text.index("\nexample") :]


def test_help_lists_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert set(re.findall(r"^    ([a-z]+)(?: |$)", text, re.MULTILINE)) == set(VERBS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"intinfer {intinfer.__version__}\n"


USAGE = [
    ([], "the following arguments are required: VERB; see intinfer --help"),
    (["run"], "run: the following arguments are required: MODEL, IMAGE; see intinfer run --help"),
    (["run", "m.npz"], "run: the following arguments are required: IMAGE; see intinfer run --help"),
    (
        ["run", "m.npz", "a.png", "--top", "0"],
        "run: argument --top: '0' is not a whole number of at least 1; see intinfer run --help",
    ),
    (
        ["run", "m.npz", "a.png", "--fit", "stretch"],
        "run: argument --fit: invalid choice: 'stretch' (choose from 'exact', 'crop', 'resize'); "
        "see intinfer run --help",
    ),
    (["inspect", "m.npz", "--js"], "unrecognized arguments: --js; see intinfer --help"),
    (["cost", "--net", ""], "cost: an argument is empty; is a shell variable in it not set?"),
    (["eval", "m.npz", ""], "eval: an argument is empty; is a shell variable in it not set?"),
    (["cost"], "cost: one of the arguments MODEL --net is required; see intinfer cost --help"),
    (
        ["cost", "m.npz", "--net", "mognet"],
        "cost: argument --net: not allowed with argument MODEL; see intinfer cost --help",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE)
def test_usage_errors(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"intinfer: error: {message}\n"


def test_unknown_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rnu", "m.npz"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("intinfer: error: argument VERB: invalid choice: 'rnu' (choose from ")
    assert error.count("\n") == 1


FAILURES = [
    (DataError("f.npz: two\nlines\x1b[2J"), 2, "intinfer: error: f.npz: two lines\\x1b[2J\n"),
    (PermissionError(13, "Permission denied", "x.npz"), 2, "intinfer: error: x.npz: Permission denied\n"),
    (OSError(5, "Input/output error"), 2, "intinfer: error: Input/output error\n"),
    (MemoryError(), 2, "intinfer: error: inspect: not enough memory; try fewer or smaller images\n"),
    (KeyboardInterrupt(), 130, "intinfer: interrupted\n"),
    (
        ModuleNotFoundError("No module named 'torch'", name="torch"),
        2,
        "intinfer: error: inspect needs torch; install it with: pip install 'intinfer[torch]'\n",
    ),
]


@pytest.mark.parametrize(("failure", "code", "message"), FAILURES)
def test_failures_become_one_line_and_a_code(
    failure: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import intinfer.cli.inspect as verb

    def fail(path: str) -> None:
        raise failure

    monkeypatch.setattr(verb, "load", fail)
    assert main(["inspect", "m.npz"]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", message)


@pytest.mark.parametrize("failure", [TypeError("oops"), ModuleNotFoundError("No module named 'x'", name="x")])
def test_a_bug_shows_its_traceback_and_is_no_answer(
    failure: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import intinfer.cli.inspect as verb

    def fail(path: str) -> None:
        raise failure

    monkeypatch.setattr(verb, "load", fail)
    assert main(["inspect", "m.npz"]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "intinfer: error: this is a bug of intinfer; please report the lines above with what you ran"


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "tiny.npz"
    intinfer.save(tiny_graph(), path)
    return str(path)


def test_as_a_module(model: str, tmp_path: Path) -> None:
    done = command("inspect", model)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("input image: 3x8x8 of 0..255 (8 bits)\n")
    done = command("run", model, str(tmp_path / "none.png"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"intinfer: error: {tmp_path / 'none.png'}: no such file\n"


def test_closed_stdout_is_quiet(model: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open(write_end, "w") as closed:
        done = command("inspect", model, capture_output=False, stdout=closed, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_under_stdout(model: str) -> None:
    with open("/dev/full", "w") as full:
        done = command("inspect", model, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, "intinfer: error: standard output: No space left on device\n")


def test_run_imports_only_what_it_needs(model: str, tmp_path: Path) -> None:
    image = str(write_png(tmp_path / "a.png", tiny_images(1)[0]))
    done = python(
        f"import sys; from intinfer.cli import main; main(['run', {model!r}, {image!r}]); "
        "print([m for m in ('torch', 'tqdm', 'intinfer_converters', 'intinfer_golden', 'intinfer.cli.train') "
        "if m in sys.modules])"
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", ["convert", "train", "cost"])
def test_without_torch(verb: str, tmp_path: Path) -> None:
    source = tmp_path / "a.pt"
    source.touch()
    arguments = {
        "convert": ["convert", str(source), "--net", "mognet", "-o", str(tmp_path / "o.npz")],
        "train": ["train", "--net", "mognet", "--data", "x", "--test", "y", "-o", str(tmp_path / "o.pt")],
        "cost": ["cost", "--net", "mognet"],
    }[verb]
    done = python(
        f"import sys; sys.modules['torch'] = None; from intinfer.cli import main; raise SystemExit(main({arguments!r}))"
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"intinfer: error: {verb} needs torch; install it with: pip install 'intinfer[torch]'\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]


def test_zoo_needs_no_torch() -> None:
    done = python(
        "import sys; sys.modules['torch'] = None; from intinfer.cli import main; raise SystemExit(main(['zoo']))"
    )
    assert (done.returncode, done.stderr) == (0, "")
    mognet = next(line.split() for line in done.stdout.splitlines() if line.startswith("mognet "))
    assert mognet[1:3] == ["1,122,688", "210,976,768"]
    assert mognet[3].startswith("n=128,g=4,k=3,")


REDIRECTIONS = [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full"]
CALLS = {"inspect": 0, "cost": 0, "run": 2, "--version": 0, "rnu": 2}
"""Verb, and the exit code it has where nothing is wrong with the streams."""

FORKS = """
import json, os, sys
import intinfer.cli.cost, intinfer.cli.inspect, intinfer.cli.run
import intinfer.engine.plan
from intinfer.cli import main

def redirected(text, out, err):
    # as a shell does it: 0, 1 and 2 are what the text says, and the interpreter's streams are made of them
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, 256)
    for part in text.split():
        number = {"<": 0, ">": 1, "2": 2}[part[0]]
        os.close(number)
        if part.endswith("/dev/full"):
            assert os.open("/dev/full", os.O_WRONLY) == number
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
            stream = open(number, mode, 1 if number == 2 else -1, closefd=False)
        except OSError:
            stream = None
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)

ends = []
for where, arguments in json.loads(sys.argv[1]):
    out, err = (os.open(f"{len(ends)}.{name}", os.O_RDWR | os.O_CREAT) for name in ("out", "err"))
    pid = os.fork()
    if not pid:
        redirected(where, out, err)
        raise SystemExit(main(arguments))
    ends.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(json.dumps(ends))
"""
"""Every call in a process of its own, whose interpreter has not to be started for it."""


@pytest.fixture(scope="module")
def with_streams(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[int, str, str]]:
    """Exit code, stdout and stderr of each of CALLS under each of REDIRECTIONS."""
    folder = tmp_path_factory.mktemp("streams")
    intinfer.save(tiny_graph(), folder / "m.npz")
    cases = [(where, verb) for where in REDIRECTIONS for verb in CALLS]
    calls = json.dumps([(where, [verb, "m.npz", *["none.png"] * (verb == "run")]) for where, verb in cases])
    done = subprocess.run([sys.executable, "-c", FORKS, calls], cwd=folder, capture_output=True, text=True, check=True)
    texts = [[(folder / f"{i}.{name}").read_text() for name in ("out", "err")] for i in range(len(cases))]
    return {case: (code, *text) for case, code, text in zip(cases, json.loads(done.stdout), texts, strict=True)}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("where", REDIRECTIONS)
@pytest.mark.parametrize("verb", CALLS)
def test_streams_that_are_closed_or_full(
    where: str, verb: str, with_streams: dict[tuple[str, str], tuple[int, str, str]]
) -> None:
    """Nobody is told on a stream that is not there; answers that cannot be given are an error."""
    code, out, err = with_streams[where, verb]
    assert "Traceback" not in out + err
    assert code == (2 if where == ">/dev/full" else CALLS[verb])
    if "2>" in where:
        assert err == ""
    elif where == ">/dev/full" and CALLS[verb] == 0:
        assert err == "intinfer: error: standard output: No space left on device\n"
    if ">" not in where.replace("2>", ""):
        assert (out != "") == (CALLS[verb] == 0)


def test_a_file_does_not_get_the_number_of_a_closed_stream(tmp_path: Path, model: str) -> None:
    """What is meant for the stream would stand in the file."""
    out = tmp_path / "out.npz"
    code = f"import intinfer; from intinfer.cli import main; main(['inspect', {model!r}, '--json'])"
    script = tmp_path / "script.py"
    script.write_text(
        f"from intinfer.cli import streams\nwith streams.safe():\n    file = open({str(out)!r}, 'w')\n    {code}\n"
    )
    line = f"'{sys.executable}' '{script}' >&- 2>&- <&-"
    assert subprocess.run(["sh", "-c", line], check=False).returncode == 0
    assert out.read_text() == ""


@pytest.mark.parametrize("text", ["x" * 1_800_000, "\x1b" * 100_000, "a\nb" * 3_000])
def test_an_error_is_of_bounded_length(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import intinfer.cli.inspect as verb

    def fail(path: str) -> None:
        raise DataError(f"net.npz: {text} is no name; rename it")

    monkeypatch.setattr(verb, "load", fail)
    assert main(["inspect", "m.npz"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert len(line) <= 2_100
    assert line.startswith("intinfer: error: net.npz: ")
    assert " characters left out ... " in line
    assert line.endswith(" is no name; rename it")


def test_a_bug_is_of_bounded_length(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import intinfer.cli.inspect as verb

    def fail(path: str) -> None:
        raise TypeError("x" * 1_000_000)

    monkeypatch.setattr(verb, "load", fail)
    assert main(["inspect", "m.npz"]) == 3
    assert len(capsys.readouterr().err) < 20_000


@pytest.fixture
def large(model: str, tmp_path: Path) -> list[str]:
    """An image file that is larger than the model's input, and a folder of classes with it."""
    folder = tmp_path / "data"
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        write_png(folder / name / "a.png", tiny_images(1)[0].repeat(2, axis=1))
    return [str(folder / CLASSES[0] / "a.png"), str(folder)]


@pytest.mark.parametrize(
    ("verb", "which", "options", "has_fit"),
    [
        ("run", 0, [], True),
        ("explain", 0, ["--node", "conv", "--at", "0,0,0"], True),
        ("golden", 0, ["-o", "OUT"], True),
        ("golden", 1, ["-o", "OUT"], True),
        ("profile", 0, [], False),
        ("profile", 1, [], False),
        ("eval", 1, [], False),
    ],
)
def test_a_verb_offers_fit_only_if_it_has_it(
    verb: str,
    which: int,
    options: list[str],
    has_fit: bool,
    model: str,
    large: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [
        verb,
        model,
        large[which],
        *(str(tmp_path / "out") if option == "OUT" else option for option in options),
    ]
    assert main(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    offer = "use --fit crop (no resampling) or --fit resize, or " if has_fit else ""
    assert error.endswith(f": is 8x16 (width x height), the model takes 8x8; {offer}give the right size")
    assert main([*arguments, "--fit", "crop"]) == (0 if has_fit else 2)
    if not has_fit:
        assert "unrecognized arguments: --fit" in capsys.readouterr().err
