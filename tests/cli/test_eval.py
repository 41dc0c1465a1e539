"""`intinfer eval`: counts that a plain loop over the reference gives too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import CLASSES, tiny_graph, tiny_images, trapping_graph, write_png

import intinfer
from intinfer import reference
from intinfer.builder import GraphBuilder
from intinfer.cli import main
from intinfer.graph import ImageInput
from intinfer.ops import ArgMax, Flatten
from intinfer.types import IntType

COUNT = 40
IMAGES = tiny_images(COUNT)
PREDICTED = np.argmax(reference.run(tiny_graph(), IMAGES)["logits"], axis=1)


@pytest.fixture
def paths(tmp_path: Path) -> tuple[str, str]:
    """The model, and data of which every fourth label is wrong."""
    labels = np.where(np.arange(COUNT) % 4 == 3, (PREDICTED + 1) % 4, PREDICTED)
    intinfer.save(tiny_graph(), tmp_path / "m.npz")
    images = IMAGES.transpose(0, 2, 3, 1).astype(np.uint8)
    np.savez(tmp_path / "d.npz", images=images, labels=labels, classes=np.array(CLASSES))
    return str(tmp_path / "m.npz"), str(tmp_path / "d.npz")


def test_json(paths: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", *paths, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"images": 40, "correct": 30, "accuracy": 0.75}
    assert captured.err == ""


def test_text_and_limit(paths: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", *paths, "--limit", "6"]) == 0
    assert capsys.readouterr().out == "5 of 6 images correct: accuracy 83.33 %\n"
    assert main(["eval", *paths, "--limit", "1000"]) == 0
    assert capsys.readouterr().out == "30 of 40 images correct: accuracy 75.00 %\n"


def test_folder(paths: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label, name in enumerate(CLASSES):
        (tmp_path / "d" / name).mkdir(parents=True)
        for index in np.flatnonzero(label == PREDICTED):
            write_png(tmp_path / "d" / name / f"{index}.png", IMAGES[index])
    write_png(tmp_path / "d" / CLASSES[(PREDICTED[0] + 1) % 4] / "wrong.png", IMAGES[0])
    assert main(["eval", paths[0], str(tmp_path / "d"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"images": 41, "correct": 40, "accuracy": 40 / 41}


def test_refusals(paths: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, data = paths
    cut = tmp_path / "cut.npz"
    cut.write_bytes(Path(data).read_bytes()[:-100])
    other = tmp_path / "other.npz"
    intinfer.save(tiny_graph(classes=("cat", "dog", "frog", "boat")), other)
    builder = GraphBuilder()
    x = builder.add(Flatten(), builder.input("image", (3, 8, 8), IntType(0, 255)), name="flat")
    builder.output("class", builder.add(ArgMax(), x, name="argmax"))
    number = tmp_path / "number.npz"
    intinfer.save(builder.finish(ImageInput("RGB")), number)
    for arguments, message in [
        ((model, str(tmp_path / "no")), f"{tmp_path / 'no'}: no such file or folder"),
        ((str(other), data), f"{data}: class 3 is 'ship', the model's is 'boat'; use data of its classes"),
        ((str(number), data), f"{number}: its output is a class number, not logits; evaluate it from Python"),
    ]:
        assert main(["eval", *arguments]) == 2
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == ("", f"intinfer: error: {message}\n")
    assert main(["eval", model, str(cut), "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"intinfer: error: {cut}: cannot be read as .npz (")


def test_a_trap_says_which_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.zeros((300, 8, 8, 3), np.uint8)
    images[299] = 255
    data = tmp_path / "d.npz"
    np.savez(data, images=images, labels=np.zeros(300, int))
    intinfer.save(trapping_graph(), tmp_path / "m.npz")
    assert main(["eval", str(tmp_path / "m.npz"), str(data)]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"intinfer: error: {data}, images from 256: node 'conv' (conv2d): accumulator of 9 bits")
    assert "at image 43, channel" in message
