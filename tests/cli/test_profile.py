"""`intinfer profile`."""

import json

import numpy as np
import pytest
from helpers import tiny_graph, tiny_images
from PIL import Image

import intinfer
from intinfer.cli import main
from intinfer.reports.profile import profile


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.npz"
    intinfer.save(tiny_graph(), path)
    return path


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, images=tiny_images(5).transpose(0, 2, 3, 1).astype(np.uint8))
    return path


def test_text(model, data, capsys):
    assert main(["profile", str(model), str(data)]) == 0
    out = capsys.readouterr().out
    assert out == profile(tiny_graph(), [tiny_images(5)]).to_text() + "\n"


def test_json_and_limit(model, data, capsys):
    assert main(["profile", str(model), str(data), "--limit", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {"model": str(model), **profile(tiny_graph(), [tiny_images(5)[:2]]).to_json()}


def test_picture(model, data, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert main(["profile", str(model), str(data), "--plot", str(tmp_path / "profile.png")]) == 0
    with Image.open(tmp_path / "profile.png") as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture.convert("L")).std() > 10  # something is drawn
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.npz", "model.npz", "profile.png"]


def test_unknown_picture_type(model, data, capsys):
    assert main(["profile", str(model), str(data), "--plot", "x.bmp"]) == 2
    error = capsys.readouterr().err
    assert error == "intinfer: error: x.bmp: unknown kind of picture; name it .png, .svg, .pdf\n"


def test_a_picture_that_cannot_be_written_is_refused_before_the_run(model, tmp_path, capsys):
    (tmp_path / "p.svg").mkdir()
    for picture, message in [
        (tmp_path / "none" / "p.png", f"the folder {tmp_path / 'none'} does not exist; create it first"),
        (tmp_path / "p.svg", "is a folder; give a file name"),
    ]:
        assert main(["profile", str(model), "no.npz", "--plot", str(picture)]) == 2
        assert capsys.readouterr().err == f"intinfer: error: {picture}: {message}\n"
