"""`intinfer convert` and `check` of .onnx files, calibration included: what is said once is kept in the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import intinfer
from converters.onnx_nets import small
from converters.onnx_reading import constants, model, node
from intinfer.cli import main
from intinfer.errors import DataError
from intinfer_converters import convert
from intinfer_converters.preprocess import Preprocess
from intinfer_converters.sources import OPTIONS, SourceOptions

F = np.float32


def called(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> tuple[str, str]:
    capsys.readouterr()
    assert main(list(arguments)) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    out, err = called(capsys, 2, *arguments)
    assert out == ""
    assert err.count("\n") == 1
    return err.removeprefix("intinfer: error: ").removesuffix("\n")


def nodes(graph: Any) -> bytes:
    """The graph as it is saved, without where it comes from."""
    graph.provenance.clear()
    intinfer.save(graph, "nodes.npz")
    return Path("nodes.npz").read_bytes()


def levels(channels: int = 3, batch: Any = 1) -> Any:
    """Quantised pixels, a 2x2 convolution with a BN and a 3-bit quantiser; its input is normalised outside of it."""
    random = np.random.default_rng(0)
    weights = random.integers(-1, 2, (4, channels, 2, 2)).astype(F)
    made = model(
        [
            ("QuantizeLinear", "x s z", "xq"), ("DequantizeLinear", "xq s z", "xd"), ("Conv", "xd w", "c"),
            ("BatchNormalization", "c g b m v", "n"), ("QuantizeLinear", "n t u", "q"),
            ("DequantizeLinear", "q t u", "d"), ("Flatten", "d", "f"), ("MatMul", "f k", "y"),
        ],
        (batch, channels, 5, 5),
        constants(
            s=F(1 / 32), z=np.int8(0), w=weights, g=random.uniform(0.5, 2, 4).astype(F), t=F(0.25), u=np.uint8(4),
            b=random.normal(0, 1, 4).astype(F), m=random.normal(0, 1, 4).astype(F),
            v=random.uniform(0.5, 2, 4).astype(F), k=random.integers(-1, 2, (64, 3)).astype(F),
        ),
    )  # fmt: skip
    if batch != 1:
        made.graph.input[0].type.tensor_type.shape.dim[0].dim_param = batch
    return made


def float_net() -> Any:
    random = np.random.default_rng(0)
    return model(
        [("Conv", "x w b", "c"), ("Relu", "c", "r"), ("Flatten", "r", "f"), ("Gemm", "f k", "y")],
        (1, 1, 5, 5),
        constants(w=random.normal(0, 0.2, (4, 1, 3, 3)).astype(F), b=random.normal(0, 1, 4).astype(F),
                  k=random.normal(0, 0.1, (36, 3)).astype(F)),
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    onnx.save(small().model(), "small.onnx")
    onnx.save(levels(batch="N"), "levels.onnx")
    onnx.save(float_net(), "float.onnx")
    random = np.random.default_rng(1)
    np.savez("images.npz", images=random.integers(0, 256, (40, 5, 5), dtype=np.uint8), labels=np.arange(40) % 3)
    return tmp_path


def test_a_quantised_file_converts_and_agrees(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = called(capsys, 0, "convert", "small.onnx", "-o", "m.npz")
    assert err == ""
    graph = intinfer.load("m.npz").graph
    assert [line.split()[:2] for line in out.splitlines()[1:-2]] == [[node.name, node.op.kind] for node in graph.nodes]
    assert set(graph.provenance) == {"checkpoint sha256"}
    assert nodes(convert("small.onnx")) == nodes(convert(onnx.load("small.onnx"))) == nodes(graph)
    document = json.loads(called(capsys, 0, "check", "m.npz", "small.onnx", "--limit", "12", "--json")[0])
    assert (document["images"], document["mismatches"], document["same_checkpoint"]) == (12, 0, True)
    assert document["exact"] + document["float_ties"] == document["values"] > 1000


def test_a_changed_file_is_a_mismatch(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    called(capsys, 0, "convert", "small.onnx", "-o", "m.npz")
    changed = onnx.load("small.onnx")
    norm = next(node for node in changed.graph.node if node.op_type == "BatchNormalization")
    beta = next(tensor for tensor in changed.graph.initializer if tensor.name == norm.input[2])
    beta.raw_data = (np.frombuffer(beta.raw_data, F) + F(0.5)).tobytes()
    onnx.save(changed, "changed.onnx")
    out, err = called(capsys, 1, "check", "m.npz", "changed.onnx", "--limit", "6")
    assert err.startswith("intinfer: changed.onnx is not the file that the model was converted from (SHA-256 ")
    assert out.splitlines()[-1].startswith("mismatch: n_t2.act (from n_t3, n_t4), image 0, c=")


PREPROCESS = ["--divide", "255", "--mean", "0.5,0.25,0.5", "--std", "0.25"]


def test_preprocessing_is_kept_in_the_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["convert", "levels.onnx", *PREPROCESS, "--input-range", "0", "127"]
    called(capsys, 0, *command, "-o", "m.npz")
    called(capsys, 0, *command, "-o", "again.npz")
    assert Path("m.npz").read_bytes() == Path("again.npz").read_bytes()
    graph = intinfer.load("m.npz").graph
    known = Preprocess(0, 127, "255", ("0.5", "0.25", "0.5"), ("0.25",))
    assert (graph.inputs[0].type.lo, graph.inputs[0].type.hi) == (0, 127)
    assert nodes(convert("levels.onnx", preprocess=known)) == nodes(intinfer.load("m.npz").graph)
    assert SourceOptions.from_text(graph.provenance[OPTIONS]) == SourceOptions(preprocess=known)
    assert "/" not in graph.provenance[OPTIONS]
    document = json.loads(called(capsys, 0, "check", "m.npz", "levels.onnx", "--limit", "9", "--json")[0])
    assert document["mismatches"] == 0
    repeated = ["check", "m.npz", "levels.onnx", "--limit", "9", *PREPROCESS, "--input-range", "0", "127", "--json"]
    assert json.loads(called(capsys, 0, *repeated)[0]) == document
    assert refusal(capsys, "check", "m.npz", "levels.onnx", "--divide", "255") == (
        f"m.npz: was converted with the source options {graph.provenance[OPTIONS]}, which are kept in it; leave yours "
        "out"
    )


def test_a_model_of_unknown_origin_takes_the_options(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    called(capsys, 0, "convert", "levels.onnx", *PREPROCESS, "-o", "m.npz")
    graph = intinfer.load("m.npz").graph
    graph.provenance.clear()
    intinfer.save(graph, "nameless.npz")
    document = json.loads(
        called(capsys, 0, "check", "nameless.npz", "levels.onnx", *PREPROCESS, "--limit", "5", "--json")[0]
    )
    assert (document["mismatches"], document["same_checkpoint"]) == (0, None)
    graph.provenance[OPTIONS] = '{"preprocess": 3}'
    intinfer.save(graph, "broken.npz")
    assert refusal(capsys, "check", "broken.npz", "levels.onnx") == (
        "broken.npz: its 'source options' ('{\"preprocess\": 3}'...) are not such; give the options again"
    )


def test_open_shapes_outputs_and_exact_pixels(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = levels()
    made.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "H"
    onnx.save(made, "open.onnx")
    message = refusal(capsys, "convert", "open.onnx", "-o", "m.npz")
    assert message.startswith("open.onnx: input 'x' has the shape [1, 3, None, 5], which the file leaves open; give --")
    called(capsys, 0, "convert", "open.onnx", "--shape", "x=1,3,5,5", "-o", "m.npz")
    assert intinfer.load("m.npz").graph.inputs[0].shape == (3, 5, 5)
    called(capsys, 0, "check", "m.npz", "open.onnx", "--limit", "4")
    called(capsys, 0, "convert", "open.onnx", "--shape", "x=1,3,5,5", "--cut", "d", "-o", "cut.npz")
    assert intinfer.load("cut.npz").graph.values[intinfer.load("cut.npz").graph.outputs[0].value].shape == (4, 4, 4)
    assert "mismatches" in called(capsys, 0, "check", "cut.npz", "open.onnx", "--limit", "4")[0]
    convolution = node("Conv", "x w", "c", pads=[1, 1, 1, 1])
    padded = model([convolution, ("Relu", "c", "y")], (1, 1, 5, 5), constants(w=np.ones((1, 1, 3, 3), F)))
    onnx.save(padded, "padded.onnx")
    command = ["convert", "padded.onnx", "--divide", "255", "--mean", "0.5"]
    assert "give --pixels exact" in refusal(capsys, *command, "-o", "exact.npz")
    out, _ = called(capsys, 0, *command, "--pixels", "exact", "-o", "exact.npz")
    assert out.startswith("exact pixels: x")
    called(capsys, 0, "check", "exact.npz", "padded.onnx", "--limit", "4")


def test_calibration_is_reported_and_repeated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, "convert", "float.onnx", "-o", "m.npz").endswith(
        "its weights are floating point; give --weights, --act-bits and --calibrate"
    )
    command = ["convert", "float.onnx", "--weights", "int8", "--act-bits", "8", "--calibrate", "images.npz"]
    out, err = called(capsys, 0, *command, "-o", "m.npz")
    assert err == ""
    assert "accuracy" in out.split("node ")[0]
    document = json.loads(called(capsys, 0, *command, "-o", "again.npz", "--json")[0])
    assert document["calibration"]
    assert Path("m.npz").read_bytes() == Path("again.npz").read_bytes()
    called(capsys, 0, "check", "m.npz", "float.onnx", "--limit", "5")
    Path("images.npz").rename("moved.npz")
    assert refusal(capsys, "check", "m.npz", "float.onnx", "--limit", "5").startswith("images.npz: no such file")
    called(capsys, 0, "check", "m.npz", "float.onnx", "--limit", "5", "--calibrate", "moved.npz")


def test_every_node_that_is_not_supported_is_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = model([("Exp", "x", "a"), ("Sin", "x", "b"), ("Add", "a b", "y")], (1, 1, 5, 5))
    onnx.save(made, "odd.onnx")
    message = refusal(capsys, "convert", "odd.onnx", "-o", "m.npz")
    assert message.startswith("odd.onnx: 2 node(s) cannot be converted: a (Exp): ")
    assert "; b (Sin): " in message
    assert not Path("m.npz").exists()


WRONG = [
    (["float.onnx", "--weights", "int8"], "--weights, --act-bits and --calibrate belong together"),
    (["float.onnx", "--calibrate", "images.npz"], "--weights, --act-bits and --calibrate belong together"),
    (["small.onnx", "--shape", "x=1x3"], r"--shape x=1x3: NAME=1,C,H,W is needed, the batch axis first"),
    (["small.onnx", "--net", "mognet:n=4"], "small.onnx: holds its network itself; leave --net and --factory out"),
    (
        ["small.tflite"],
        "small.tflite: unknown file type '.tflite'; known are .onnx, .pt2, .pt, .pth, .th, .safetensors",
    ),
    (["no.onnx"], "no.onnx: no such file"),
    (["small.onnx", "--cut", "nothing"], "small.onnx: "),
    (["small.onnx", "--divide", "0"], "divide"),
    (["small.onnx", "--std", "1,x"], "std"),
    (["small.onnx", "--input-range", "9", "3"], "9"),
]


@pytest.mark.parametrize(("arguments", "reason"), WRONG, ids=lambda value: str(value)[:40])
def test_options_that_make_no_sense(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert reason in refusal(capsys, "convert", *arguments, "-o", "m.npz")
    assert not Path("m.npz").exists()


def test_the_api_says_what_belongs_together(folder: Path) -> None:
    with pytest.raises(DataError, match=r"^weights, act_bits and calibration images belong together"):
        convert("float.onnx", weights="int8")
    images = np.load("images.npz")["images"][:, None].astype(np.int64)
    graph = convert("float.onnx", weights="int4", act_bits=4, calibration=images)
    assert intinfer.Model(graph).run(images[0]).shape == (3,)
