"""`intinfer golden`: images, data sets and parts of networks in, a folder out; what it prints and refuses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from golden_sets import NoCheck, bytes_of
from helpers import CLASSES, tiny_graph, tiny_images, two_ended_graph, write_png

import intinfer
from intinfer import reference
from intinfer.cli import main
from intinfer_golden import WordOptions
from intinfer_golden.make import run

IMAGES = tiny_images(3)
TRACE = reference.trace(tiny_graph(), IMAGES)


@pytest.fixture(autouse=True)
def _unchecked() -> Iterator[None]:
    """Compiling the fast engine would be most of the time; one test of write_vectors does it."""
    with patch("intinfer_golden.make.run.CrossCheck", NoCheck):
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The model, then three images; beside them data.npz and the folder data with the same images."""
    folder = tmp_path_factory.mktemp("files")
    intinfer.save(tiny_graph(), folder / "tiny.npz")
    images = [str(write_png(folder / f"{name}.png", image)) for name, image in zip("abc", IMAGES, strict=True)]
    np.savez(folder / "data.npz", images=IMAGES.astype(np.uint8).transpose(0, 2, 3, 1))
    for name, image in zip(CLASSES, [*IMAGES, IMAGES[0]], strict=True):
        (folder / "data" / name).mkdir(parents=True)
        write_png(folder / "data" / name / "1.png", image)
    return [str(folder / "tiny.npz"), *images]


def beside(files: list[str], name: str) -> str:
    return str(Path(files[0]).parent / name)


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The error, the last line of stderr; nothing on stdout."""
    assert main(["golden", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    line = captured.err.splitlines()[-1]
    assert line.startswith("intinfer: error: ")
    return line.removeprefix("intinfer: error: ")


def test_the_set_of_a_command(files: list[str], tmp_path: Path) -> None:
    target = tmp_path / "t"
    assert main(["golden", *files, "-o", str(target), "--fold", "4,image=3"]) == 0
    document = json.loads((target / "manifest.json").read_text())
    assert document["model"]["sha256"] == hashlib.sha256(Path(files[0]).read_bytes()).hexdigest()
    assert document["inputs"][0]["sha256"] == hashlib.sha256(IMAGES.astype("<i8").tobytes()).hexdigest()
    layout = {"format": ["memh", "npy"], "order": "nhwc", "fold": 4, "folds": {"image": 3}, "nodes": None}
    layout["words"] = WordOptions().document()
    assert document["command"] == {"verb": "golden", **layout, "options": {"fit": "exact"}}
    assert str(tmp_path) not in json.dumps(document)
    assert str(Path(files[0]).parent) not in json.dumps(document)
    np.testing.assert_array_equal(np.load(target / "values" / "conv.npy"), TRACE["conv"].transpose(0, 2, 3, 1))
    assert (target / "bench" / "tb.sv").is_file()


def test_what_golden_prints(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "t")
    line = ["golden", *files, "-o", target, "--nodes", "Act", "--order", "nchw", "--format", "memh,memh"]
    assert main([*line, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"directory": target, "images": 3, "nodes": 2, "format": ["memh"]}
    size = sum(path.stat().st_size for path in Path(target).rglob("*.memh"))
    first, second = captured.err.splitlines()
    assert first == f"intinfer: about {size:,} bytes of memh"
    assert second.startswith("intinfer: 3 images in ")
    assert second.endswith(" images/s")
    assert main([*line[:-1], "npy,bin", "-o", target + "2"]) == 0
    assert capsys.readouterr().out == f"wrote {target}2: 2 nodes, 3 images, bin and npy\n"


def test_data_sets_give_what_image_files_give(files: list[str], tmp_path: Path) -> None:
    options = ["--format", "npy,coe", "--limit", "2"]
    for name, images in [("a", files[1:]), ("b", [beside(files, "data.npz")]), ("c", [beside(files, "data")])]:
        assert main(["golden", files[0], *images, "-o", str(tmp_path / name), *options]) == 0
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b") == bytes_of(tmp_path / "c")
    assert json.loads((tmp_path / "a" / "manifest.json").read_text())["images"] == 2


def test_resume(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "MAX_BATCH", 1)
    monkeypatch.setattr(run, "CHECKPOINT_SECONDS", 0.0)
    line = [*files, "-o", str(tmp_path / "t"), "--format", "npy"]
    trace = reference.trace
    calls = iter(range(9))

    def interrupted(*arguments: object) -> object:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return trace(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(reference, "trace", interrupted)
        assert main(["golden", *line]) == 130
    partial = tmp_path / "t.partial"
    assert "with --resume" in capsys.readouterr().err
    assert partial.is_dir()
    assert refusal(line, capsys) == (
        f"{partial}: is there already, from a run that was killed or still goes on; go on with it by --resume, or "
        "remove it first"
    )
    assert refusal([*line, "--resume", "--order", "nchw"], capsys) == (
        f"{partial}: was begun with another set of options; repeat the command that began it with --resume, or remove "
        "the folder"
    )
    assert main(["golden", *line, "--resume"]) == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith("intinfer: 1 image in ")
    assert main(["golden", *files, "-o", str(tmp_path / "u"), "--format", "npy", "--resume"]) == 0  # nothing to resume
    assert bytes_of(tmp_path / "t") == bytes_of(tmp_path / "u")


def test_parts(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, images = files[0], files[1:]
    cases = [
        ([*images, "--isolated", "--nodes", "Act,pool"], ["%41ct", "pool"]),
        (["--chains", "--nodes", "conv"], ["%41ct"]),
        (["--block", "[ps]*", "--rounds", "0"], ["%5bps%5d%2a"]),
    ]
    for number, (options, folders) in enumerate(cases):
        target = tmp_path / str(number)
        assert main(["golden", model, *options, "-o", str(target), "--format", "npy", "--json"]) == 0
        captured = capsys.readouterr()
        index = json.loads((target / "index.json").read_text())
        assert [entry["path"] for entry in index["sets"]] == folders
        answer = json.loads(captured.out)
        assert answer == {
            "directory": str(target),
            "sets": len(folders),
            "frames": sum(entry["frames"] for entry in index["sets"]),
            "covered": sum(entry["coverage"]["open"] == 0 for entry in index["sets"]),
            "open": sum(entry["coverage"]["open"] for entry in index["sets"]),
        }
        sets = {1: "1 set", 2: "2 sets"}[len(folders)]
        first, second = captured.err.splitlines()
        assert first.startswith(f"intinfer: {sets}; a frame of each takes about ")
        assert second.startswith(f"intinfer: {sets} in ")
    document = json.loads((tmp_path / "0" / "pool" / "manifest.json").read_text())
    first = ["tells faults of one frame", "tells faults of one frame, the other way"]
    assert document["frames"][:5] == [*first, "image 0", "image 1", "image 2"]
    line = ["golden", model, "-o", str(tmp_path / "t"), "--isolated", "--nodes", "pool", "--format", "npy"]
    assert main(line) == 0
    assert capsys.readouterr().out.startswith(f"wrote {tmp_path / 't'}: 1 set, ")


def test_directed_images_of_the_whole_network(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["golden", *files[:2], "--cover", "40.5", "--seed", "3", "--format", "npy"]
    assert main([*line, "-o", str(tmp_path / "t"), "--rounds", "1", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    document = json.loads((tmp_path / "t" / "manifest.json").read_text())
    assert (document["mode"], document["seed"]) == ("network", 3)
    assert document["rounds"] in (0, 1)
    assert document["command"]["options"] == {"cover": "40.5", "fit": "exact"}
    assert document["frames"][:3] == [
        "tells faults of one frame",
        "tells faults of one frame, the other way",
        "image 0",
    ]
    assert document["images"] == answer["images"] == len(document["frames"]) > 1
    given = np.load(tmp_path / "t" / "values" / "image.npy")[2]
    np.testing.assert_array_equal(given, IMAGES[0].transpose(1, 2, 0))
    coverage = json.loads((tmp_path / "t" / "coverage.json").read_text())
    assert answer["coverage"] == coverage["total"]
    assert coverage["total"]["percent"] >= 40.5
    assert main([*line, "-o", str(tmp_path / "u"), "--rounds", str(document["rounds"])]) == 0
    assert capsys.readouterr().out.endswith(f", npy; {coverage['total']['percent']:.2f} % covered\n")
    assert bytes_of(tmp_path / "t") == bytes_of(tmp_path / "u")


def test_directed_images_are_found_again_by_resume(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the rounds of the run that was killed, wherever the time limit would stop now."""
    monkeypatch.setattr(run, "MAX_BATCH", 1)
    monkeypatch.setattr(run, "CHECKPOINT_SECONDS", 0.0)
    line = ["golden", files[0], "--cover", "100", "--format", "npy", "-o", str(tmp_path / "t")]
    finish = run._Run.finish

    def killed(self: run._Run) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run._Run, "finish", killed)
    assert main([*line, "--rounds", "2"]) == 130
    monkeypatch.setattr(run._Run, "finish", finish)
    assert main([*line, "--time-limit", "9", "--resume"]) == 0
    assert main([*line[:-1], str(tmp_path / "u"), "--rounds", "2"]) == 0
    assert bytes_of(tmp_path / "t") == bytes_of(tmp_path / "u")


def test_refusals(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, model, data = tmp_path / "t", files[0], beside(files, "data.npz")
    intinfer.save(two_ended_graph(), tmp_path / "two.npz")
    formats = "memh, mem, coe, xmif, mif, bin, npy"
    cases = [
        ([*files, "--nodes", "fc,con"], "the model has no node 'con'; close names: conv"),
        ([*files, "--format", "memh,hex"], f"format 'hex' is unknown; there are {formats}"),
        (
            [*files, "--order", "cnhw"],
            "order 'cnhw' is unknown; give n, then c, h and w in any order (nhwc: a pixel's channels innermost)",
        ),
        ([*files, "--fold", "con=2"], "the model has no node 'con'; close names: conv"),
        ([*files, str(tmp_path / "no.png")], f"{tmp_path / 'no.png'}: no such file"),
        (
            [str(tmp_path / "two.npz"), files[1]],
            f"{tmp_path / 'two.npz'}: takes a (2, 3, 3), b (2, 3, 3), not an image; call intinfer_golden.write_vectors "
            "from Python",
        ),
        ([model, files[1], data], f"{data}: is a data set, give it alone, not with 1 others"),
        (
            [model],
            "there are no images; give some, or ask for directed stimuli with --cover, --isolated or --chains",
        ),
        ([*files, "--masks"], "--masks is for single nodes; give --isolated with it"),
        ([model, "--block", "c*", "--nodes", "fc"], "--nodes and --block both choose nodes; give one of them"),
        ([model, "--block", "x*"], "no node matches 'x*'; intinfer inspect lists them"),
        (
            [*files, "--rounds", "2"],
            "--rounds is of directed stimuli; ask for them with --cover, --isolated, --chains or --block",
        ),
        ([model, "--isolated", "--limit", "2"], "--limit is of images, and none are given"),
        (
            [model, "--isolated", "--chains"],
            "golden: argument --chains: not allowed with argument --isolated; see intinfer golden --help",
        ),
        (
            [*files, "--fold", "2,3"],
            "golden: argument --fold: '2,3' gives the number for all values twice; see intinfer golden --help",
        ),
        (
            [*files, "--fold", "fc=0"],
            "golden: argument --fold: '0' is not a whole number of at least 1; see intinfer golden --help",
        ),
        (
            [*files, "--cover", "nan"],
            "golden: argument --cover: 'nan' is not a number above 0 and up to 100; see intinfer golden --help",
        ),
    ]
    for arguments, message in cases:
        assert refusal([*arguments, "-o", str(target)], capsys) == message
    folder = Path(model).parent
    message = f"{folder}: exists and is not empty; give another name, or --force to replace a set"
    assert refusal([*files, "-o", str(folder)], capsys) == message
    assert [path.name for path in tmp_path.iterdir()] == ["two.npz"]


def test_a_full_disk_is_foreseen(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with patch("shutil.disk_usage", return_value=SimpleNamespace(free=1000)):
        message = refusal([*files, "-o", str(tmp_path / "t"), "--format", "npy"], capsys)
    assert message.startswith(f"{tmp_path / 't'}: needs about ")
    assert message.endswith(" bytes and 1,000 are free; write fewer images or nodes")
    assert list(tmp_path.iterdir()) == []
