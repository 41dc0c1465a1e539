"""Golden vectors: every tensor as the reference has it, in files that an independent reader understands."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_sets import (
    SEED,
    block_graph,
    bytes_of,
    images,
    in_order,
    meaning,
    read_memh,
    true_values,
    unfolded,
    write_unchecked,
)
from helpers import two_ended_graph
from hypothesis import given
from hypothesis import strategies as st
from tools import module

import intinfer
from intinfer import model_file, reference
from intinfer.builder import GraphBuilder
from intinfer.errors import DataError
from intinfer.ops import Gather
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from intinfer_golden.describe.codes import Code
from intinfer_golden.describe.manifest import load as load_set
from intinfer_golden.make.vectors import BULK, estimate, usual_formats

GRAPH = block_graph()
IMAGES = images()
TRACE = reference.trace(GRAPH, IMAGES)
AXES = ["N", "C", "H", "W"]
ORDERS = {"nhwc": ["N", "H", "W", "C"], "nchw": AXES, "nwch": ["N", "W", "C", "H"]}
WEIGHT_ORDERS = {"nhwc": ["O", "KH", "KW", "I"], "nchw": ["O", "I", "KH", "KW"], "nwch": ["O", "I", "KH", "KW"]}
FOLDS: dict[str, dict[str, int]] = {"nhwc": {}, "nchw": {"": 2, "Conv/1": 9, "act": 8, "fc": 3}, "nwch": {"image": 24}}


@pytest.fixture(scope="module", params=ORDERS)
def vectors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    order = request.param
    target = tmp_path_factory.mktemp("set") / order
    return write_unchecked(GRAPH, IMAGES, target, order=order, fold=FOLDS[order], formats=["memh", "npy"])


def manifest(directory: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((directory / "manifest.json").read_text("ascii"))
    return document


def elements_per_word(item: dict[str, Any], folds: dict[str, int]) -> int:
    """By the options of the set."""
    if item["role"] == "demand_mask":
        return int(item["shape"][1])
    if item["attribute"] is None:
        return folds.get(item["node"], folds.get("", 1))
    return folds.get(GRAPH.node(item["node"]).inputs[0], folds.get("", 1)) if item["role"] == "weight" else 1


def test_every_tensor_reads_back(vectors: Path) -> None:
    items = manifest(vectors)["tensors"]
    for item in items:
        truth = true_values(item, GRAPH, TRACE)
        assert list(truth.shape) == item["shape"]
        assert item["elements"] == truth.size
        assert (item["min"], item["max"]) == (truth.min(), truth.max())
        assert item["lo"] <= item["min"]
        assert item["max"] <= item["hi"]
        extents = dict(zip(item["axes"], item["shape"], strict=True))
        fold, run = elements_per_word(item, FOLDS[vectors.name]), extents[item["order"][-1]]
        assert (item["elements_per_word"], item["fold_axis"], item["run"]) == (fold, item["order"][-1], run)
        assert (item["words_per_run"], item["words"]) == (-(-run // fold), truth.size // run * -(-run // fold))
        assert item["frame_words"] == (item["words"] // extents["N"] if "N" in extents else None)
        assert (item["word_bits"], item["beat_bits"]) == (fold * item["bits"], -(-fold * item["bits"] // 8) * 8)
        memh, npy = (vectors / file["path"] for file in item["files"])
        wanted = [
            int(truth[tuple(index[axis] for axis in item["axes"])])
            for index in in_order(item["shape"], item["axes"], item["order"])
        ]
        words = read_memh(memh, item["word_bits"])
        assert len(words) == item["words"]
        codes = unfolded(words, item)
        assert [meaning(code, item) for code in codes] == wanted
        assert item["code_map"] is None or {str(v): c for v, c in zip(wanted, codes, strict=True)}.items() <= (
            item["code_map"].items()
        )
        array = np.load(npy, allow_pickle=False)
        assert array.shape == tuple(extents[axis] for axis in item["order"])
        assert array.reshape(-1).tolist() == wanted
        for file in item["files"]:
            data = (vectors / file["path"]).read_bytes()
            assert file["path"].endswith(f".{file['format']}")
            assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    listed = {file["path"] for item in items for file in item["files"]}
    assert {path for path in bytes_of(vectors) if not path.startswith("bench/")} == {
        *listed,
        "manifest.json",
        "model.npz",
    }


def test_what_the_manifest_says(vectors: Path) -> None:
    document = manifest(vectors)
    order = vectors.name
    assert document["tool"] == {"name": "intinfer", "version": intinfer.__version__}
    folds = {name: elements for name, elements in FOLDS[order].items() if name}
    assert document["command"] == {
        "verb": "golden",
        "format": ["memh", "npy"],
        "order": order,
        "fold": FOLDS[order].get("", 1),
        "folds": folds,
        "words": {"weights": {}, "thresholds": {}, "element0": "low", "pad_elements": 1, "zero": False},
        "nodes": None,
        "options": {},
    }
    assert (document["mode"], document["region"], document["seed"], document["rounds"]) == ("network", None, None, None)
    assert (document["images"], document["frames"]) == (3, ["image 0", "image 1", "image 2"])
    ports = [(port["port"], port["direction"], port["tensor"]) for port in document["ports"]]
    assert [(port, direction) for port, direction, _ in ports] == [("s0_axis", "in"), ("m0_axis", "out")]
    assert [document["tensors"][tensor]["node"] for _, _, tensor in ports] == ["image", "fc"]
    assert len(document["inputs"]) == 1
    assert document["inputs"][0]["sha256"] == hashlib.sha256(IMAGES.astype("<i8").tobytes()).hexdigest()
    assert document["outputs"] == [{"name": "logits", "value": "fc", "scale": ["1"], "offset": ["0"]}]
    by_name = {(item["node"], item["attribute"], item["role"]): item for item in document["tensors"]}
    names = [node.name for node in GRAPH.nodes]
    assert [key[0] for key in by_name if key[2] == "demand_mask"] == names
    kinds = {key[0]: key[2] for key in by_name if key[1] is None and key[2] != "demand_mask"}
    special = {"image": "input", "select": "mux_select"} | dict.fromkeys(("Conv/1", "dw", "ca", "fc"), "accumulator")
    assert kinds == dict.fromkeys(["image", *names], "output") | special
    assert {key[:2]: item["code"] for key, item in by_name.items() if key[2] in ("weight", "threshold")} == {
        ("Conv/1", "weight"): "ternary",
        ("act", "thresholds"): "twos_complement",
        ("dw", "weight"): "bipolar",
        ("ca", "weight"): "bipolar",
        ("fc", "weight"): "twos_complement",
    }
    conv = by_name["Conv/1", None, "accumulator"]
    assert (conv["bits"], conv["signed"], conv["code"], conv["lsb_first"]) == (9, True, "twos_complement", True)
    assert (conv["source"], conv["axes"], conv["order"]) == (["conv.weight"], AXES, ORDERS[order])
    assert by_name["Conv/1", "weight", "weight"]["order"] == WEIGHT_ORDERS[order]
    assert by_name["ca", "weight", "weight"]["generated"] == {"rule": 30, "seed": list(SEED), "rows": 4}
    nodes = {node["name"]: node for node in document["nodes"]}
    assert list(nodes) == names
    assert {name: node["compare"] for name, node in nodes.items() if node["compare"]} == {
        "act": [">=", ">=", "<=", "<="],
        "select": [">"],
    }
    assert {name: node["rounding"] for name, node in nodes.items() if node["rounding"]} == {"requant": "half_even"}
    attributes = nodes["Conv/1"]["attributes"]
    assert attributes == {
        "stride": [1, 1],
        "pads": [0, 1, 2, 1],
        "pad_value": [7],
        "dilation": [1, 1],
        "groups": 1,
        "accumulator": {"bits": 9, "overflow": "wrap", "order": None, "fold": None},
    }
    assert nodes["fc"]["attributes"]["accumulator"] == {"bits": 7, "overflow": "saturate", "order": "CKK", "fold": 2}


def test_overflows_are_counted(vectors: Path) -> None:
    counted = {i["node"]: i["overflows"] for i in manifest(vectors)["tensors"] if i["overflows"] is not None}
    weight = GRAPH.node("Conv/1").op.weight.values  # type: ignore[attr-defined]
    padded = np.pad(IMAGES, ((0, 0), (0, 0), (0, 2), (1, 1)), constant_values=7)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    exact = np.einsum("ncyxij,ocij->noyx", windows, weight)
    dense = TRACE["flat"] @ GRAPH.node("fc").op.weight.values.T  # type: ignore[attr-defined]
    wrapped, cut = int((abs(exact + 0.5) > 256).sum()), int((dense != TRACE["fc"]).sum())
    assert counted == {"Conv/1": wrapped, "dw": 0, "ca": 0, "fc": cut}
    assert wrapped > 0
    assert cut > 0


def test_generated_weights_are_rule_30(vectors: Path) -> None:
    state, rows = list(SEED), []
    for _ in range(4):
        rows.append(state)
        state = [state[i - 1] ^ (state[i] | state[(i + 1) % 4]) for i in range(4)]
    (item,) = (i for i in manifest(vectors)["tensors"] if (i["node"], i["attribute"]) == ("ca", "weight"))
    words = read_memh(vectors / "constants" / "ca.weight.memh", item["word_bits"])
    # output channel outermost, bipolar: bit is bit
    assert unfolded(words, item) == [rows[t][c] for c in range(4) for t in range(4)]


def test_the_manifest_follows_its_schema(vectors: Path) -> None:
    jsonschema = module("jsonschema")
    text = importlib.resources.files("intinfer_golden.describe").joinpath("manifest.schema.json").read_text("utf-8")
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    document = manifest(vectors)
    assert not list(validator.iter_errors(document))
    tensor = document["tensors"][1]
    for part in (document, document["nodes"][0], document["ports"][0], tensor, tensor["files"][0]):
        for key in list(part):
            kept = part.pop(key)
            assert list(validator.iter_errors(document)), f"{key} may be missing"
            part[key] = kept
        part["more"] = 1
        assert list(validator.iter_errors(document))
        del part["more"]
    assert not list(validator.iter_errors(document))


SCRIPT = """
import sys
from pathlib import Path
from golden_sets import block_graph, images, write_unchecked
nodes, fold = {"fc", "mux", "Conv/1", "dw"}, {"dw": 3, "mux": 5}
write_unchecked(block_graph(), images(), Path(sys.argv[1]), nodes=nodes, fold=fold)
"""


def test_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    tests = str(Path(__file__).parent.parent)
    for seed in "12":
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([tests, *sys.path])}
        target = tmp_path / f"under{seed}" / "set"
        target.parent.mkdir()
        subprocess.run([sys.executable, "-c", SCRIPT, str(target)], env=environment, check=True)
    one, two = (bytes_of(tmp_path / f"under{seed}") for seed in "12")
    assert one == two
    assert len(one) > 10
    assert manifest(tmp_path / "under1" / "set")["command"]["nodes"] == ["Conv/1", "dw", "mux", "fc"]


def test_a_choice_of_nodes_and_formats(tmp_path: Path) -> None:
    write_unchecked(GRAPH, IMAGES[0], tmp_path / "t", nodes=["mux", "dw"], formats=["npy"])
    values = [f"values/{name}.npy" for name in ("dw", "fc", "image", "mux")]  # a bench needs both ends
    assert sorted(bytes_of(tmp_path / "t")) == [
        *("constants/dw.weight.npy", "constants/fc.weight.npy"),
        *("demand/dw.npy", "demand/fc.npy", "demand/mux.npy", "manifest.json", "model.npz"),
        *values,
    ]
    assert np.array_equal(np.load(tmp_path / "t" / "values" / "mux.npy"), TRACE["mux"][:1].transpose(0, 2, 3, 1))


def test_several_inputs(tmp_path: Path) -> None:
    graph = two_ended_graph()
    given_ = {"a": np.arange(36).reshape(2, 2, 3, 3) % 4, "b": np.arange(36).reshape(2, 2, 3, 3) % 3}
    write_unchecked(graph, given_, tmp_path / "t", order="nchw")
    for name, array in reference.trace(graph, given_).items():
        assert read_memh(tmp_path / "t" / "values" / f"{name}.memh", 2) == array.reshape(-1).tolist()
    document = manifest(tmp_path / "t")
    ports = [(port["port"], document["tensors"][port["tensor"]]["node"]) for port in document["ports"]]
    assert ports == [("s0_axis", "a"), ("s1_axis", "b"), ("m0_axis", "pooled"), ("m1_axis", "flat")]


def test_estimate_and_usual_formats(vectors: Path) -> None:
    sizes = estimate(GRAPH, 3, order=vectors.name, fold=FOLDS[vectors.name])
    for name in ("memh", "npy"):
        assert sum(path.stat().st_size for path in vectors.rglob(f"*.{name}")) == sizes[name]
    assert usual_formats({"memh": BULK, "npy": 1}) == ["memh", "npy"]
    assert usual_formats({"memh": BULK + 1, "npy": 1}) == ["npy"]


# --------------------------------------------------------------------------------------------------------------- codes


def test_codes_by_hand() -> None:
    assert [Code("twos_complement", 4).hex(v) for v in (-8, -1, 0, 7)] == ["0x8", "0xf", "0x0", "0x7"]
    assert [Code("twos_complement", 9).hex(v) for v in (-256, -1, 255)] == ["0x100", "0x1ff", "0x0ff"]
    assert [Code("unsigned", 63).hex(2**63 - 1), Code("twos_complement", 64).hex(-(2**63))] == [
        "0x7fffffffffffffff",
        "0x8000000000000000",
    ]
    assert Code("ternary", 2).map == {"-1": 3, "0": 0, "1": 1}
    assert Code("bipolar", 1).map == {"-1": 0, "1": 1}
    assert Code("bipolar", 1).decode(np.array([0, 1], dtype=np.uint64)).tolist() == [-1, 1]
    assert Code("ternary", 2).decode(np.array([3, 0, 1], dtype=np.uint64)).tolist() == [-1, 0, 1]


@given(st.data())
def test_codes_lead_back(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["unsigned", "twos_complement"]))
    code = Code(name, data.draw(st.integers(1, 63 if name == "unsigned" else 64)))
    values = np.array([*data.draw(st.lists(st.integers(code.lo, code.hi), min_size=1)), code.lo, code.hi])
    words = code.encode(values)
    assert [int(word) for word in words] == [int(value) % 2**code.bits for value in values]
    assert code.decode(words).tolist() == values.tolist()
    assert np.array_equal(values.astype(code.dtype), values)


@pytest.mark.parametrize(("order", "index_order"), [("nhwc", "HWC"), ("nchw", "CHW"), ("nwhc", "WHC")])
def test_the_index_of_a_gather_lies_as_its_value_does(order: str, index_order: str, tmp_path: Path) -> None:
    places = np.arange(12).reshape(3, 2, 2)
    index = np.pad(places, ((0, 0), (1, 0), (0, 2)), constant_values=-1)
    builder = GraphBuilder()
    wide = builder.add(Gather(IntTensor(index), -4), builder.input("x", (3, 2, 2), IntType(0, 7)), name="wide")
    builder.output("y", builder.add(Gather(IntTensor(np.arange(30)[::-3])), wide, name="y"))
    x = np.random.default_rng(3).integers(0, 8, (2, 3, 2, 2))
    write_unchecked(builder.finish(), x, tmp_path / "set", order=order, formats=["npy"])
    items = {(item["node"], item["attribute"], item["role"]): item for item in manifest(tmp_path / "set")["tensors"]}
    map_, vector = items["wide", "index", "constant"], items["y", "index", "constant"]
    assert ("".join(map_["order"]), map_["axes"], map_["shape"]) == (index_order, ["C", "H", "W"], [3, 3, 4])
    assert (vector["order"], vector["shape"]) == (["C"], [10])
    stored = np.load(tmp_path / "set" / map_["files"][0]["path"]).reshape(-1)
    values = np.load(tmp_path / "set" / items["wide", None, "output"]["files"][0]["path"]).reshape(2, -1)
    for image, sent in zip(x, values, strict=True):  # word for word, as a design with a frame buffer makes them
        assert [-4 if place < 0 else int(image.reshape(-1)[place]) for place in stored] == sent.tolist()


def test_a_set_holds_the_graph_of_its_values(tmp_path: Path) -> None:
    write_unchecked(GRAPH, IMAGES[0], tmp_path / "t", formats=["npy"])
    vectors = load_set(tmp_path / "t")
    assert model_file.to_bytes(vectors.graph()) == model_file.to_bytes(GRAPH)
    file = tmp_path / "t" / "model.npz"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == manifest(tmp_path / "t")["graph"]["sha256"]
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"model.npz: was changed after it was written; make the vectors again"):
        vectors.graph()
    file.unlink()
    with pytest.raises(DataError, match=r"model.npz: is missing; .* is not whole"):
        vectors.graph()
