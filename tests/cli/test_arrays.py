"""Models whose input is no picture: integers from `.npy` and `.npz` files."""

import json
import os

import numpy as np
import pytest

from intinfer import save
from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.cli import main
from intinfer.ops import Dense
from intinfer.tensor import IntTensor
from intinfer.types import IntType

WEIGHT = np.random.default_rng(1).integers(-1, 2, (3, 5))
X = np.random.default_rng(2).integers(-4, 5, (6, 5))


def refusal(arguments, capsys):
    assert main(arguments) == 2
    return capsys.readouterr().err.removeprefix("intinfer: error: ").rstrip("\n")


@pytest.fixture
def model(tmp_path):
    builder = GraphBuilder()
    x = builder.input("x", (5,), IntType(-4, 4))
    builder.output("y", builder.add(Dense(IntTensor(WEIGHT, "ternary"), Accumulator.prove(8)), x, name="fc"))
    save(builder.finish(), tmp_path / "m.npz")
    np.save(tmp_path / "one.npy", X[:1])
    np.savez(tmp_path / "all.npz", images=X, labels=(X @ WEIGHT.T).argmax(1))
    return str(tmp_path / "m.npz")


def test_run(model, tmp_path, capsys):
    assert main(["run", model, str(tmp_path / "one.npy"), "--json"]) == 0
    (image,) = json.loads(capsys.readouterr().out)["images"]
    assert image["logits"] == (X[0] @ WEIGHT.T).tolist()


def test_eval_and_profile(model, tmp_path, capsys):
    assert main(["eval", model, str(tmp_path / "all.npz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 1
    assert main(["profile", model, str(tmp_path / "all.npz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == len(X)


def test_golden_vectors(model, tmp_path):
    folder = tmp_path / "vectors"
    assert main(["golden", model, str(tmp_path / "all.npz"), "-o", str(folder), "--format", "npy"]) == 0
    values = {path.stem: np.load(path) for path in folder.rglob("*.npy") if path.parent.name == "values"}
    assert np.array_equal(values["x"].reshape(6, 5), X)
    assert np.array_equal(values["fc"].reshape(6, 3), X @ WEIGHT.T)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (X, "has 6 images; run takes one a file, eval and profile many"),
        (X[:1].astype(float), "images are float64 (1, 5), integers (N, 5) are needed"),
        (X[:1, :4], "images are int64 (1, 4), integers (N, 5) are needed"),
        (X[:0], "there are no images in it"),
        (X[:1] * 0 + 9, "images: value 9 at index (0, 0) is outside -4..4; 5 of 5 values are"),
    ],
)
def test_arrays_that_do_not_fit(model, tmp_path, capsys, array, message):
    path = tmp_path / "other.npy"
    np.save(path, array)
    assert refusal(["run", model, str(path)], capsys) == f"{path}: {message}"


def test_a_file_that_is_none(model, tmp_path, capsys):
    path = tmp_path / "bad.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00")
    assert refusal(["run", model, str(path)], capsys).startswith(f"{path}: cannot be read as .npy (")
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert refusal(["run", model, str(path)], capsys).startswith(f"{path}: cannot be read as .npy (Object arrays")


@pytest.mark.parametrize("verb", ["run", "profile", "explain"])
def test_a_picture_is_refused(verb, model, tmp_path, capsys):
    path = tmp_path / "cat.png"
    path.write_bytes(b"")
    more = ["--node", "fc", "--at", "0"] if verb == "explain" else []
    message = f"{path}: the model takes integers of shape (5,), not pictures; give an .npz or .npy file"
    assert refusal([verb, model, str(path), *more], capsys) == message


@pytest.mark.parametrize("verb", ["run", "profile", "golden", "explain"])
def test_a_pipe_is_not_waited_for(verb, model, tmp_path, capsys):
    path = tmp_path / "pipe.npy"
    os.mkfifo(path)
    more = {"golden": ["-o", str(tmp_path / "v")], "explain": ["--node", "fc", "--at", "0"]}.get(verb, [])
    assert refusal([verb, model, str(path), *more], capsys).startswith(f"{path}: ")


def test_golden_names_a_file_that_is_missing(model, tmp_path, capsys):
    path = tmp_path / "none.npy"
    arguments = ["golden", model, str(path), "-o", str(tmp_path / "v")]
    assert refusal(arguments, capsys) == f"{path}: no such file; give a .npy file"
