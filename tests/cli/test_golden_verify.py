"""`intinfer golden` and `intinfer verify`: files in, files out, exit codes, nothing but the answer on stdout."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers import tiny_graph, tiny_images, two_ended_graph, write_png

import intinfer
from intinfer import reference
from intinfer.cli import main

IMAGES = tiny_images(2)
TRACE = reference.trace(tiny_graph(), IMAGES)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The model, then two images."""
    folder = tmp_path_factory.mktemp("files")
    intinfer.save(tiny_graph(), folder / "tiny.npz")
    images = [str(write_png(folder / f"{name}.png", image)) for name, image in zip("ab", IMAGES, strict=True)]
    return [str(folder / "tiny.npz"), *images]


@pytest.fixture(scope="module")
def vectors(files: list[str], tmp_path_factory: pytest.TempPathFactory) -> str:
    target = str(tmp_path_factory.mktemp("golden") / "set")
    assert main(["golden", *files, "-o", target]) == 0
    return target


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("intinfer: error: ")
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("intinfer: error: ").removesuffix("\n")


def test_the_set_of_a_command(files: list[str], vectors: str) -> None:
    document = json.loads((Path(vectors) / "manifest.json").read_text())
    assert document["model"]["sha256"] == hashlib.sha256(Path(files[0]).read_bytes()).hexdigest()
    assert document["inputs"][0]["sha256"] == hashlib.sha256(IMAGES.astype("<i8").tobytes()).hexdigest()
    options = {"format": ["memh", "npy"], "order": "nhwc", "nodes": None, "options": {"fit": "exact"}}
    assert document["command"] == {"verb": "golden", **options}
    assert str(Path(files[0]).parent) not in json.dumps(document)
    np.testing.assert_array_equal(np.load(f"{vectors}/values/conv.npy"), TRACE["conv"].transpose(0, 2, 3, 1))


def test_what_golden_prints(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "t")
    line = ["golden", *files, "-o", target, "--nodes", "fc", "--order", "nchw", "--format", "memh,memh"]
    assert main([*line, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"directory": target, "images": 2, "nodes": 1, "format": ["memh"]}
    # image: 384 words of 2 digits; fc: 8 words of 4 digits and 8 bits of demand; 96 weights of 1 bit
    assert captured.err == f"intinfer: about {384 * 3 + 8 * 5 + 8 * 2 + 96 * 2:,} bytes of memh\n"
    assert main([*line[:-1], "npy", "-o", target + "2"]) == 0
    assert capsys.readouterr().out == f"wrote {target}2: 1 nodes, 2 images, npy\n"


def test_refusals_of_golden(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "t"
    assert refusal(["golden", *files, "-o", str(Path(files[0]).parent)], capsys) == (
        f"{Path(files[0]).parent}: exists and is not empty; give another name or remove it"
    )
    assert refusal(["golden", *files, "-o", str(target), "--nodes", "fc,con"], capsys) == (
        "the model has no node 'con'; close names: conv"
    )
    intinfer.save(two_ended_graph(), tmp_path / "two.npz")
    assert refusal(["golden", str(tmp_path / "two.npz"), files[1], "-o", str(target)], capsys) == (
        f"{tmp_path / 'two.npz'}: takes a (2, 3, 3), b (2, 3, 3), not an image; call intinfer_golden.write_vectors "
        "from Python"
    )
    for more, message in [
        (["--format", "memh,coe"], "format 'coe' is unknown; there are memh and npy"),
        ([str(tmp_path / "no.png")], f"{tmp_path / 'no.png'}: no such file"),
    ]:
        assert main(["golden", *files, *more, "-o", str(target)]) == 2
        captured = capsys.readouterr()
        assert (captured.out, captured.err.splitlines()[-1]) == ("", f"intinfer: error: {message}")
    assert [path.name for path in tmp_path.iterdir()] == ["two.npz"]


def test_verify_equal(vectors: str, capsys: pytest.CaptureFixture[str]) -> None:
    dump = f"{vectors}/values/conv.memh"
    assert main(["verify", vectors, dump]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out == (
        f"{dump}: node conv (from conv.weight): equal, 768 values compared\n"
        "1 of 1 dumps equal; 5 nodes without a dump\n"
    )
    assert main(["verify", vectors, dump, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["equal"], document["first_different"], document["full"]) == (True, None, False)
    assert document["without_dump"] == ["Act", "pool", "sum", "flatten", "fc"]
    (entry,) = document["dumps"]
    assert (entry["dump"], entry["node"], entry["equal"], entry["compared"]) == (dump, "conv", True, 768)


def test_verify_different(vectors: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = TRACE["pool"].transpose(0, 2, 3, 1).reshape(-1)
    values[101] = 3 - values[101]
    dump, report = tmp_path / "out.txt", tmp_path / "report.xml"
    dump.write_text("\n".join(map(str, values)))
    line = ["verify", vectors, str(dump), "--node", "pool"]
    assert main([*line, "--junit", str(report)]) == 1
    captured = capsys.readouterr()
    actual, expected = int(values[101]), 3 - int(values[101])
    first = f"n=1 c=5 y=0 x=0 (word 101, line 102): expected {expected} (0x{expected}), actual {actual} (0x{actual})"
    assert captured.out == (
        f"{dump}: node pool: DIFFERENT, 1 of 192 values compared\n  first: {first}\n"
        f"  actual - expected: {actual - expected:+d} x 1\n"
        "0 of 1 dumps equal; 5 nodes without a dump; the first node that differs is pool\n"
    )
    assert ElementTree.parse(report).getroot().attrib["failures"] == "1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.txt", "report.xml"]
    assert main([*line, "--json", "--full"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["equal"], document["first_different"], document["full"]) == (False, "pool", True)
    (entry,) = document["dumps"]
    assert entry["first"]["at"] == {"n": 1, "c": 5, "y": 0, "x": 0}
    assert (entry["first"]["expected"], entry["first"]["actual"]) == (expected, actual)
    assert entry["errors"] == [{"error": actual - expected, "count": 1}]


def test_refusals_of_verify(vectors: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = f"{vectors}/values/conv.memh"
    assert refusal(["verify", str(tmp_path), dump], capsys) == (
        f"{tmp_path}: has no manifest.json; give a folder that intinfer golden made"
    )
    assert refusal(["verify", vectors, str(tmp_path / "conv.mem")], capsys) == f"{tmp_path / 'conv.mem'}: no such file"
    assert refusal(["verify", vectors, dump, "--junit", str(tmp_path)], capsys) == (
        f"{tmp_path}: is a folder; give a file name"
    )
    assert refusal(["verify", vectors, dump, "--junit", str(tmp_path / "no" / "r.xml")], capsys) == (
        f"{tmp_path / 'no' / 'r.xml'}: cannot be written: No such file or directory"
    )
    assert list(tmp_path.iterdir()) == []
