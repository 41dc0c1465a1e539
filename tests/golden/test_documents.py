"""The JSON files of a set are as foreign as a model: bounded, and refused in one line where they contradict."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from golden_sets import block_graph, images, write_unchecked

import intinfer
from intinfer.cli import main
from intinfer_golden import testbench
from intinfer_golden.describe import documents
from intinfer_golden.make import replace

AGAIN = "make the vectors again with intinfer golden"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    intinfer.save(block_graph(), folder / "model.npz")
    write_unchecked(block_graph(), images(2), folder / "set", formats=["memh", "npy"], nodes=["act", "fc"])
    line = ["golden", str(folder / "model.npz"), "--isolated", "--nodes", "flat", "--rounds", "0"]
    assert main([*line, "--format", "memh", "-o", str(folder / "index")]) == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def commands(folder: Path, index: bool) -> list[list[str]]:
    """Every verb that reads a set, or an index."""
    made = str(folder / ("index" if index else "set"))
    node = "flat" if index else "fc"
    reading = [
        ["verify", made, str(folder / "set" / "values" / "fc.memh"), "--node", node],
        ["explain", made, "--frame", "0", "--node", node, "--at", "0"],
        ["golden", made, "--frames", "0", "-o", str(folder / "new")],
    ]
    return reading if index else [*reading, ["testbench", made], ["mutants", made, "--rtl", str(folder / "model.npz")]]


def refused(line: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(line) == 2, line
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    assert len(err) < 2100
    return err


@pytest.mark.parametrize("index", [False, True])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 10**6, "has 1000000 levels; there are at most 32 and 8,388,608"),
        ("[" + "0," * 2**23 + "0]", "has 8,388,610 values; there are at most 32 and 8,388,608"),
        ("[NaN]", "is not JSON"),
        ("9" * 10_000, "is not JSON"),
        ('{"\xff', "is not JSON"),
        ("[]", "is no"),
        ('{"format": []}', "is no"),
    ],
)
def test_texts_made_to_harm(
    folder: Path, index: bool, text: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / ("index/index.json" if index else "set/manifest.json")
    path.write_bytes(text.encode("latin-1"))
    for line in commands(folder, index):
        assert f"intinfer: error: {path}: {reason}" in refused(line, capsys)


@pytest.mark.parametrize("index", [False, True])
def test_a_file_too_large_is_not_read(folder: Path, index: bool, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / ("index/index.json" if index else "set/manifest.json")
    with path.open("r+b") as file:
        file.truncate(documents.MAX_BYTES + 1)
    for line in commands(folder, index):
        assert f"{path}: has 67,108,865 bytes, more than 67,108,864; {AGAIN}" in refused(line, capsys)


def _port(document: dict[str, Any], **fields: Any) -> None:
    document["ports"][-1].update(fields)


def _tensor(document: dict[str, Any], **fields: Any) -> None:
    document["tensors"][-1].update(fields)


CONTRADICTIONS: dict[str, Callable[[dict[str, Any]], object]] = {
    "port named otherwise": lambda d: _port(d, port="m0_axis; initial $finish"),
    "port twice": lambda d: d["ports"].append(d["ports"][-1]),
    "no input": lambda d: d["ports"].pop(0),
    "tensor counted from the end": lambda d: _port(d, tensor=-1),
    "tensor that is none": lambda d: _port(d, tensor=10**9),
    "tensor true": lambda d: _port(d, tensor=True),
    "direction": lambda d: _port(d, direction="inout"),
    "bits true": lambda d: _tensor(d, bits=True),
    "a beat of fractions": lambda d: _tensor(d, beat_bits=8.0),
    "sign": lambda d: _tensor(d, signed=not d["tensors"][-1]["signed"]),
    "file elsewhere": lambda d: d["tensors"][-1]["files"][0].update(path="../../../etc/passwd"),
    "tensor twice": lambda d: d["tensors"].append(d["tensors"][-1]),
    "labels": lambda d: d["frames"].pop(),
    "images": lambda d: d.update(images=3),
    "no tensors": lambda d: d.pop("tensors"),
    "version true": lambda d: d.update(version=True),
    "version as text": lambda d: d.update(version="9" * 10**5),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_manifests_that_contradict_themselves(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "set" / "manifest.json"
    document = json.loads(path.read_text())
    CONTRADICTIONS[name](document)
    path.write_text(json.dumps(document))
    before = (folder / "set" / "bench" / "tb.sv").read_bytes()
    for line in commands(folder, index=False):
        assert str(path) in refused(line, capsys)
    assert (folder / "set" / "bench" / "tb.sv").read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [{"images": True}, {"images": -1}, {"tensors": [[1, 2, 3]]}, {"files": {"a": [1]}}, {"identity": []}, {"x": 1}],
)
def test_damaged_journals(folder: Path, change: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    partial = folder / "t.partial"
    partial.mkdir()
    journal = {"format": "intinfer-golden-journal", "version": 1, "identity": {}, "images": 0} | {"tensors": []}
    path = partial / "journal.json"
    path.write_text(json.dumps(journal | {"files": {}} | change))
    line = ["golden", str(folder / "model.npz"), "--cover", "1", "--rounds", "0", "-o", str(folder / "t"), "--resume"]
    assert f"{path}: is no journal that this intinfer reads; remove {partial} first" in refused(line, capsys)
    assert [entry.name for entry in partial.iterdir()] == ["journal.json"]


def test_a_full_disk_leaves_no_half_of_a_set_or_bench(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = folder / "set" / "bench"
    held = {path.name: path.read_bytes() for path in bench.iterdir()}
    full = OSError(errno.ENOSPC, "No space left on device")
    writes = []

    def write(path: Path, data: bytes) -> None:
        writes.append(path)
        if len(writes) == 3:
            raise full
        path.write_bytes(data)

    monkeypatch.setattr(testbench, "write_into", write)
    assert "No space left on device" in refused(["testbench", str(folder / "set"), "--reset", "rst"], capsys)
    assert {path.name: path.read_bytes() for path in bench.iterdir()} == held
    assert sorted(path.name for path in (folder / "set").glob("bench*")) == ["bench"]
    monkeypatch.undo()
    assert main(["testbench", str(folder / "set"), "--reset", "rst"]) == 0
    assert "rst" in (bench / "README.md").read_text()
    assert sorted(path.name for path in (folder / "set").glob("bench*")) == ["bench"]

    monkeypatch.setattr("intinfer_golden.make.journal.os.fsync", Mock(side_effect=full))
    line = ["golden", str(folder / "set"), "--frames", "0", "-o", str(folder / "few")]
    assert f"{folder / 'few.partial' / 'journal.json'}: No space left on device" in refused(line, capsys)
    assert not (folder / "few.partial").exists()


def test_a_set_is_exchanged_or_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a rename fails, the folder is the old set or the new one, also where folders cannot be exchanged."""
    target, made = folder / "set", Path.rename
    manifests = {(target / "manifest.json").read_bytes()}
    new = write_unchecked(block_graph(), images(3), folder / "three", formats=["npy"])
    manifests.add((new / "manifest.json").read_bytes())
    for exchanged in (replace._exchanged, lambda *_: False):
        monkeypatch.setattr(replace, "_exchanged", exchanged)
        for fails in (1, 2, 0):
            names = []

            def rename(self: Path, other: Path, fails: int = fails, names: list[Path] = names) -> Path:
                names.append(other)
                if len(names) == fails:
                    raise OSError(errno.EIO, "broken")
                return made(self, other)

            one = Path(shutil.copytree(new, folder / "one"))
            monkeypatch.setattr(Path, "rename", rename)
            with contextlib.suppress(OSError):
                replace.put_in_place(one, target)
            monkeypatch.undo()
            monkeypatch.setattr(replace, "_exchanged", exchanged)
            assert (target / "manifest.json").read_bytes() in manifests
            shutil.rmtree(folder / "one", ignore_errors=True)
