"""Any file ends as a model that `check` agrees with, or in one error line: in bounded time and memory, never a crash.

Every case is converted and, when that succeeds, checked against the source's own framework; a number says it all:
`python -m fuzz.attempt N N+1 FILE` repeats it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import pytest
from converters.onnx_reading import constants, model

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from fuzz import sources
from fuzz.attempt import one_line
from fuzz.crafted import write_onnx, write_others
from fuzz.mutations import STRUCTURED, damaged, damaged_zip

TESTS = Path(__file__).parent.parent
SECONDS, MEMORY = 60, 2 * 2**30
"""Of one file, on a slow machine that does other things, too."""
NAMES = (*("quant.onnx", "qdq.onnx", "qoperator.onnx", "exported.pt2", "parameters.pt", "parameters.safetensors"),)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return sources.write(tmp_path_factory.mktemp("sources"))


def attempts(first: int, last: int, *paths: Path) -> list[dict[str, Any]]:
    """The outcomes of a process of its own, which must live to its end."""
    command = [sys.executable, "-m", "fuzz.attempt", str(first), str(last), *map(str, paths)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"{lines[-1:]} ended the process with {done.returncode}: {done.stderr[-2000:]}"
    return [line for line in lines if "kind" in line]


def assert_harmless(outcomes: list[dict[str, Any]]) -> None:
    bad = [o for o in outcomes if o["kind"] == "wrong" or o["seconds"] > SECONDS or o["memory"] > MEMORY]
    assert not bad, "\n".join(f"{o['case']}: {o['seconds']:.1f} s, {o['memory']} bytes, {o['text']}" for o in bad[:5])


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files(files: dict[str, Path], name: str) -> None:
    outcomes = attempts(0, 60, files[name])
    assert_harmless(outcomes)
    kinds = Counter(outcome["kind"] for outcome in outcomes)
    assert kinds["refused"] + kinds["agrees"] + kinds["unchecked"] == 60
    assert kinds["refused"] > 30
    assert kinds["agrees"] >= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_thousands_of_damaged_files(files: dict[str, Path], name: str) -> None:
    outcomes = attempts(60, 4000, files[name])
    assert_harmless(outcomes)
    kinds = Counter(outcome["kind"] for outcome in outcomes)
    assert kinds["agrees"] > 80
    assert kinds["unchecked"] < 80


@pytest.fixture(scope="module")
def crafted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], str]]:
    """File -> what came of it, and the words of its refusal."""
    folder = tmp_path_factory.mktemp("crafted") / "models"
    folder.mkdir()
    target = folder.parent / "touched"
    words = {**write_onnx(folder), **write_others(folder, target)}
    outcomes = {o["case"]: o for o in attempts(0, 0, *(folder / name for name in words))}
    assert not target.exists()
    return {name: (outcomes[name], reason) for name, reason in words.items()}


def test_files_made_to_harm(crafted: dict[str, tuple[dict[str, Any], str]]) -> None:
    assert len(crafted) > 55
    assert_harmless([outcome for outcome, _ in crafted.values()])
    for name, (outcome, reason) in crafted.items():
        assert outcome["kind"] == "refused", (name, outcome)
        assert re.search(reason, outcome["text"].partition(f"{name}: ")[2]), (name, outcome["text"])


def test_data_outside_of_the_folder_is_not_read(crafted: dict[str, tuple[dict[str, Any], str]]) -> None:
    for name in ("absolute.onnx", "parent.onnx", "link.onnx"):
        assert "is not inside the model's folder; it is not read" in crafted[name][0]["text"]


def _float_model() -> onnx.ModelProto:
    weights = np.random.default_rng(0).normal(0, 1, (3, 1, 5, 5)).astype(np.float32)
    return model([("Conv", "x w", "c"), ("Relu", "c", "y")], (1, 1, 5, 5), constants(w=weights))


@pytest.mark.parametrize("count", [40, pytest.param(2000, marks=pytest.mark.slow)])
def test_damaged_calibration_images(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An .npz of images is as foreign as a model."""
    from intinfer.cli import main

    monkeypatch.chdir(tmp_path)
    onnx.save(_float_model(), "float.onnx")
    np.savez("good.npz", images=np.random.default_rng(1).integers(0, 256, (8, 5, 5), dtype=np.uint8), labels=[0] * 8)
    data = Path("good.npz").read_bytes()
    command = ["convert", "float.onnx", "--weights", "int8", "--act-bits", "8", "-o", "model.npz", "--calibrate"]
    assert main([*command, "good.npz"]) == 0
    capsys.readouterr()
    codes = Counter[int]()
    for number in range(count):
        images = Path("images.npz")
        images.write_bytes(damaged(data, ".npz", number))
        code = main([*command, "images.npz"])
        err = capsys.readouterr().err
        named = one_line(err, images) or one_line(err, Path("float.onnx"))  # labels that the network has no outputs for
        assert (code == 0 and not err) or (code == 2 and named), (number, err)
        codes[code] += 1
    assert codes[0] > 0
    assert codes[2] > count // 2


def test_the_same_number_is_the_same_damage(files: dict[str, Path]) -> None:
    for name in NAMES:
        data, suffix = files[name].read_bytes(), files[name].suffix
        made = [damaged(data, suffix, number) for number in range(30)]
        assert made == [damaged(data, suffix, number) for number in range(30)]
        assert len(set(made)) > 20
        assert sum(content != data for content in made) > 20
    assert set(STRUCTURED) >= {Path(name).suffix for name in NAMES}


def test_structured_damage_reaches_the_reader(files: dict[str, Path]) -> None:
    """Most damaged messages still are messages, and most damaged archives still are archives."""
    import io
    import zipfile

    data = files["quant.onnx"].read_bytes()
    for number in range(1, 31):
        proto = onnx.ModelProto()
        proto.ParseFromString(STRUCTURED[".onnx"](data, Random(number)))
    archive = files["exported.pt2"].read_bytes()
    sound = [zipfile.ZipFile(io.BytesIO(damaged_zip(archive, Random(number)))).testzip() for number in range(20)]
    assert sound == [None] * 20
