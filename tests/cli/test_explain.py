"""`intinfer explain`: an image file or a data set in, the steps of one element out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import tiny_graph, tiny_images, two_ended_graph, write_png

import intinfer
from intinfer import reference
from intinfer.cli import main

IMAGES = tiny_images(2)
TRACE = reference.trace(tiny_graph(), IMAGES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    intinfer.save(tiny_graph(), folder / "tiny.npz")
    write_png(folder / "a.png", IMAGES[0])
    np.savez(folder / "data.npz", images=IMAGES.transpose(0, 2, 3, 1).astype(np.uint8))
    return folder


def line(folder: Path, image: str, *more: str, at: str = "2,3,4") -> list[str]:
    return ["explain", str(folder / "tiny.npz"), str(folder / image), "--node", "Act", "--at", at, *more]


def document(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_text_and_the_document_of_an_image(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    level, z = int(TRACE["Act"][0, 2, 3, 4]), int(TRACE["conv"][0, 2, 3, 4])
    assert main(line(folder, "a.png", "--depth", "1")) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    text = captured.out.splitlines()
    assert text[0] == f"Act (threshold, from bn.weight, act) at c=2 y=3 x=4 is {level}"
    assert text[-1] == f"    result: {z}"
    found = document(line(folder, "a.png", "--depth", "1"), capsys)
    assert (found["model"], found["image"], found["index"]) == (
        str(folder / "tiny.npz"),
        str(folder / "a.png"),
        None,
    )
    assert (found["node"], found["op"], found["value"]) == ("Act", "threshold", level)
    assert (found["at"], found["facts"]["z"]) == ({"c": 2, "y": 3, "x": 4}, z)
    (conv,) = found["inputs"]
    assert (conv["node"], conv["value"], sum(row["product"] for row in conv["rows"])) == ("conv", z, z)
    assert len(conv["rows"]) == 27
    fewer = document(line(folder, "a.png", "--depth", "1", "--nonzero"), capsys)
    assert all(row["product"] for row in fewer["inputs"][0]["rows"])


def test_an_image_of_a_data_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(2):
        found = document(line(folder, "data.npz", "--index", str(index)), capsys)
        assert found["index"] == index
        assert found["facts"]["z"] == TRACE["conv"][index, 2, 3, 4]
    assert document(line(folder, "data.npz"), capsys)["facts"]["z"] == TRACE["conv"][0, 2, 3, 4]


def test_refusals(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    intinfer.save(two_ended_graph(), tmp_path / "two.npz")
    data = folder / "data.npz"
    where = f"argument --at: {'x'!r} is not a whole number of at least 0"
    two = ["explain", str(tmp_path / "two.npz"), str(folder / "a.png"), "--node", "flat", "--at", "0"]
    for arguments, message in [
        (line(folder, "data.npz", "--index", "2"), f"{data}: has 2 images, 0..1; there is no image 2"),
        (
            line(folder, "data.npz", "--fit", "crop"),
            f"{data}: images of an .npz are taken as they are; leave --fit out",
        ),
        (line(folder, "a.png", "--index", "0"), f"{folder / 'a.png'}: is one image; --index is for an .npz of images"),
        (line(folder, "no.png"), f"{folder / 'no.png'}: no such file"),
        (line(folder, "a.png", at="2,3,8"), "node 'Act' has shape (6, 8, 8): x=8 is outside 0..7"),
        (line(folder, "a.png", at="2"), "node 'Act' has shape (6, 8, 8): an element is at c,y,x, not at 2"),
        (line(folder, "a.png", at="1,x,2"), f"explain: {where}; see intinfer explain --help"),
        (
            two,
            f"{tmp_path / 'two.npz'}: takes a (2, 3, 3), b (2, 3, 3), not an image; call "
            "intinfer_golden.explain from Python",
        ),
    ]:
        assert main(arguments) == 2
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == ("", f"intinfer: error: {message}\n")
