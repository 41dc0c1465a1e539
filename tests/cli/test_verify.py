"""`intinfer verify`: files in, files out, exit codes, nothing but the answer on stdout."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers import tiny_graph, tiny_images, write_png

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
        f"  frames: 1\n  actual - expected: {actual - expected:+d} x 1\n"
        "  where: only n=1, the last frame; only c=5; only y=0, the first row; only x=0, the first column\n"
        "0 of 1 dumps equal; 5 nodes without a dump; the first node that differs is pool\n"
        f"  explain: intinfer explain {vectors} --frame 1 --node pool --at 5,0,0\n"
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


def test_a_stream_and_several_sets(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets, wave = tmp_path / "sets", tmp_path / "sim.vcd"
    line = ["golden", files[0], "--isolated", "--nodes", "pool,sum", "--rounds", "0", "--format", "npy"]
    assert main([*line, "-o", str(sets)]) == 0
    values = np.load(sets / "sum" / "values" / "sum.npy").reshape(-1)
    names = {"!": "clk", "d": "q_tdata", "v": "q_tvalid", "r": "ready"}
    declared = "".join(f"$var wire {8 if key == 'd' else 1} {key} {name} $end\n" for key, name in names.items())
    steps = [f"b{value:b} d\n#{10 * i + 5}\n1!\n#{10 * i + 10}\n0!\n" for i, value in enumerate(values)]
    wave.write_text(f"$scope module tb $end\n{declared}$enddefinitions $end\n#0\n0!\n1v\n1r\n{''.join(steps)}")
    capsys.readouterr()
    stream = ["--signal", "tb.q", "--ready", "tb.ready", "--node", "sum"]
    assert main(["verify", str(sets), str(wave), *stream]) == 0
    assert capsys.readouterr().out == (
        f"{wave}: node sum/sum: equal, {values.size} values compared\n1 of 1 dumps equal; 1 node without a dump\n"
    )
    assert main(["verify", str(sets), str(sets / "pool" / "values" / "pool.npy"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["dumps"][0]["set"], document["without_dump"]) == ("pool", ["sum/sum"])


def test_frames_and_passes_of_a_stream(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets, wave = tmp_path / "sets", tmp_path / "sim.vcd"
    line = ["golden", files[0], "--isolated", "--nodes", "sum", "--rounds", "0", "--format", "npy", "-o", str(sets)]
    assert main(line) == 0
    values = np.load(sets / "sum" / "values" / "sum.npy")
    frames, each = len(values), values[0].size

    def write(found: list[int]) -> None:
        names = {"!": "clk", "d": "m0_axis_tdata", "v": "m0_axis_tvalid", "r": "m0_axis_tready"}
        declared = "".join(f"$var wire {8 if key == 'd' else 1} {key} {name} $end\n" for key, name in names.items())
        steps = [
            f"#{10 * i + 1}\nb{value:b} d\n#{10 * i + 5}\n1!\n#{10 * i + 10}\n0!\n" for i, value in enumerate(found)
        ]
        wave.write_text(f"$scope module tb $end\n{declared}$enddefinitions $end\n#0\n0!\n1v\n1r\n{''.join(steps)}")
        capsys.readouterr()

    start = ["verify", str(sets / "sum"), str(wave), "--signal", "tb.m0_axis"]
    flat = values.reshape(-1).tolist()
    write(flat)
    assert main(start) == 0  # the node is the one of the port
    write(flat[: 2 * each])
    assert main(start) == 1
    capsys.readouterr()
    assert main([*start, "--frames", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"  note: the dump holds frames 0-1 of {frames}"
    write(flat[each : 3 * each])
    assert main([*start, "--frames", "1-2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dumps"][0]["notes"] == [f"the dump holds frames 1-2 of {frames}"]
    write(flat[2 * each : 3 * each] + flat[:each])
    assert main([*start, "--frames", "2,0"]) == 0
    write(flat[2 * each : 3 * each])
    assert main([*start, "--frames", "2-2"]) == 0
    assert main([*start, "--frames", "2"]) == 1
    write(flat * 2)
    assert main([*start, "--passes", "2"]) == 0
    write([*flat, *flat[:-1], flat[-1] ^ 1])
    capsys.readouterr()
    assert main([*start, "--passes", "2", "--json"]) == 1
    (entry,) = json.loads(capsys.readouterr().out)["dumps"]
    assert (entry["passes"], entry["first"]["pass"], entry["first"]["word"]) == (2, 2, 2 * len(flat) - 1)
    for arguments, message in [
        (["--frames", "0"], "'0' is not a whole number of at least 1"),
        (["--frames", "3-2"], "'3-2' is empty: its first frame is after its last"),
        (["--frames", "1:3"], "'1:3' is not N,N-N,... of whole numbers"),
        (["--frames", str(frames + 1)], f"has frames 0..{frames - 1}; there is no frame {frames}"),
        (["--frames", f"0,{frames}"], f"has frames 0..{frames - 1}; there is no frame {frames}"),
        (["--passes", "0"], "0 passes of the set: give 1 or more, of a stream in a waveform"),
        (["--reset", "tb.rst", "--no-reset"], "--reset tb.rst and --no-reset contradict each other; give one"),
    ]:
        assert message in refusal([*start, *arguments], capsys)


def test_without_pylibfst_the_extra_is_named(
    vectors: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pylibfst" else find(name))
    (tmp_path / "sim.fst").write_bytes(b"\0" + (329).to_bytes(8, "big") + bytes(321))
    line = ["verify", vectors, str(tmp_path / "sim.fst"), "--signal", "tb.s", "--node", "fc"]
    assert refusal(line, capsys) == "verify needs pylibfst; install it with: pip install 'intinfer[vcd]'"


def test_refusals_of_verify(vectors: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = f"{vectors}/values/conv.memh"
    assert refusal(["verify", str(tmp_path), dump], capsys) == (
        f"{tmp_path}: has no manifest.json; give a folder that intinfer golden made"
    )
    assert refusal(["verify", vectors, str(tmp_path / "conv.mem")], capsys) == f"{tmp_path / 'conv.mem'}: no such file"
    assert refusal(["verify", vectors, dump, "--junit", str(tmp_path)], capsys) == (f"{tmp_path}: it is a directory")
    assert refusal(["verify", vectors, dump, "--junit", str(tmp_path / "no" / "r.xml")], capsys) == (
        f"{tmp_path / 'no' / 'r.xml'}: there is no folder {tmp_path / 'no'}; create it first"
    )
    assert list(tmp_path.iterdir()) == []
