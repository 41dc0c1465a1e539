"""Golden vectors: every tensor as the reference has it, in files that an independent reader understands."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_sets import (
    SEED,
    block_graph,
    images,
    in_order,
    read_memh,
    run_poisoned,
    selecting_graph,
    write_unchecked,
)
from helpers import trapping_graph, two_ended_graph
from hypothesis import given, settings
from hypothesis import strategies as st

import intinfer
from intinfer import reference
from intinfer.errors import DataError, IntinferError, RangeError
from intinfer.graph import Graph
from intinfer.strategies import graphs_with_images
from intinfer_golden import write_vectors
from intinfer_golden.codes import Code
from intinfer_golden.demand import demand_masks
from intinfer_golden.vectors import BULK, estimate, usual_formats

GRAPH = block_graph()
IMAGES = images()
TRACE = reference.trace(GRAPH, IMAGES)
ORDERS = {"nhwc": ["N", "H", "W", "C"], "nchw": ["N", "C", "H", "W"]}
WEIGHT_ORDERS = {"nhwc": ["O", "KH", "KW", "I"], "nchw": ["O", "I", "KH", "KW"]}


@pytest.fixture(scope="module", params=["nhwc", "nchw"])
def vectors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_unchecked(GRAPH, IMAGES, tmp_path_factory.mktemp("set") / request.param, order=request.param)


def manifest(directory: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((directory / "manifest.json").read_text("ascii"))
    return document


def true_values(item: dict[str, Any], graph: Graph, trace: dict[str, np.ndarray]) -> np.ndarray:
    """What a tensor of the manifest must hold, along its axes."""
    if item["attribute"] is not None:
        return np.asarray(getattr(graph.node(item["node"]).op, item["attribute"]).values)
    if item["role"] != "demand_mask":
        return trace[item["node"]]
    count = len(next(iter(trace.values())))
    runs = [demand_masks(graph, {name: array[n] for name, array in trace.items()}) for n in range(count)]
    return np.array([run[item["node"]] for run in runs], dtype=int)


def meaning(word: int, bits: int, code: str) -> int:
    """A word by the words of the manifest's schema."""
    if code == "bipolar":
        return {0: -1, 1: 1}[word]
    if code == "ternary":
        return {3: -1, 0: 0, 1: 1}[word]
    return word - 2**bits if code == "twos_complement" and word >= 2 ** (bits - 1) else word


def test_every_tensor_reads_back(vectors: Path) -> None:
    items = manifest(vectors)["tensors"]
    for item in items:
        truth = true_values(item, GRAPH, TRACE)
        assert list(truth.shape) == item["shape"]
        assert item["words"] == truth.size
        assert (item["min"], item["max"]) == (truth.min(), truth.max())
        assert item["lo"] <= item["min"]
        assert item["max"] <= item["hi"]
        memh, npy = (vectors / file["path"] for file in item["files"])
        wanted = [
            int(truth[tuple(index[axis] for axis in item["axes"])])
            for index in in_order(item["shape"], item["axes"], item["order"])
        ]
        words = read_memh(memh, item["bits"])
        assert [meaning(word, item["bits"], item["code"]) for word in words] == wanted
        assert item["code_map"] is None or {str(v): w for v, w in zip(wanted, words, strict=True)}.items() <= (
            item["code_map"].items()
        )
        array = np.load(npy, allow_pickle=False)
        assert array.shape == tuple(dict(zip(item["axes"], item["shape"], strict=True))[a] for a in item["order"])
        assert array.reshape(-1).tolist() == wanted
        for file in item["files"]:
            data = (vectors / file["path"]).read_bytes()
            assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    listed = sorted(file["path"] for item in items for file in item["files"])
    found = (path.relative_to(vectors).as_posix() for path in vectors.rglob("*") if path.is_file())
    assert sorted(found) == sorted([*listed, "manifest.json"])


def test_what_the_manifest_says(vectors: Path) -> None:
    document = manifest(vectors)
    order = vectors.name
    assert document["tool"] == {"name": "intinfer", "version": intinfer.__version__}
    options = {"verb": "golden", "format": ["memh", "npy"], "order": order, "nodes": None, "options": {}}
    assert document["command"] == options
    assert (document["images"], len(document["inputs"])) == (3, 1)
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
    assert (conv["bits"], conv["word_bits"], conv["signed"], conv["code"]) == (9, 9, True, "twos_complement")
    assert (conv["source"], conv["axes"], conv["order"]) == (["conv.weight"], ORDERS["nchw"], ORDERS[order])
    assert (conv["elements_per_word"], conv["lsb_first"]) == (1, True)
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
    words = read_memh(vectors / "constants" / "ca.weight.memh", 1)
    assert words == [rows[t][c] for c in range(4) for t in range(4)]  # output channel outermost, bipolar: bit is bit


def test_header_of_a_memory_file(vectors: Path) -> None:
    lines = (vectors / "values" / "%43onv%2f1.memh").read_text("ascii").splitlines()[:5]
    assert lines == [
        "// node: Conv/1; role: accumulator",
        "// source: conv.weight",
        "// shape: N=3 C=4 H=4 W=5",
        f"// order: {' '.join(ORDERS[vectors.name])} (last innermost)",
        "// packing: 1 element a word; word: 9 bits, twos_complement; words: 240",
    ]
    weight = (vectors / "constants" / "dw.weight.memh").read_text("ascii").splitlines()
    assert weight[0] == "// node: dw; constant: weight; role: weight"
    assert weight[4] == "// packing: 1 element a word; word: 1 bits, bipolar (-1 -> 0, 1 -> 1); words: 36"


def test_the_manifest_follows_its_schema(vectors: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed (pip install intinfer[dev])")
    text = importlib.resources.files("intinfer_golden").joinpath("manifest.schema.json").read_text("utf-8")
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    document = manifest(vectors)
    assert not list(validator.iter_errors(document))
    for part in (document, document["nodes"][0], document["tensors"][1], document["tensors"][1]["files"][0]):
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
write_unchecked(block_graph(), images(), Path(sys.argv[1]), nodes={"fc", "mux", "Conv/1", "dw"})
"""


def test_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    tests = str(Path(__file__).parent.parent)
    for seed in "12":
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": tests}
        target = tmp_path / f"under{seed}" / "set"
        target.parent.mkdir()
        subprocess.run([sys.executable, "-c", SCRIPT, str(target)], env=environment, check=True)
    one, two = (
        {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "under1", tmp_path / "under2")
    )
    assert one == two
    assert len(one) > 10
    assert manifest(tmp_path / "under1" / "set")["command"]["nodes"] == ["Conv/1", "dw", "mux", "fc"]


def test_a_choice_of_nodes_and_formats(tmp_path: Path) -> None:
    write_unchecked(GRAPH, IMAGES[0], tmp_path / "t", nodes=["mux", "dw"], formats=["npy"])
    files = sorted(p.relative_to(tmp_path / "t").as_posix() for p in (tmp_path / "t").rglob("*.*"))
    values = ["values/dw.npy", "values/image.npy", "values/mux.npy"]
    assert files == ["constants/dw.weight.npy", "demand/dw.npy", "demand/mux.npy", "manifest.json", *values]
    assert np.array_equal(np.load(tmp_path / "t" / "values" / "mux.npy"), TRACE["mux"][:1].transpose(0, 2, 3, 1))


def test_several_inputs(tmp_path: Path) -> None:
    graph = two_ended_graph()
    given_ = {"a": np.arange(36).reshape(2, 2, 3, 3) % 4, "b": np.arange(36).reshape(2, 2, 3, 3) % 3}
    write_unchecked(graph, given_, tmp_path / "t", order="nchw")
    for name, array in reference.trace(graph, given_).items():
        assert read_memh(tmp_path / "t" / "values" / f"{name}.memh", 2) == array.reshape(-1).tolist()


def test_estimate_and_usual_formats(vectors: Path) -> None:
    sizes = estimate(GRAPH, 3)
    for name in ("memh", "npy"):
        files = list(vectors.rglob(f"*.{name}"))
        assert 0 < sum(path.stat().st_size for path in files) - sizes[name] < 400 * len(files)
    assert usual_formats({"memh": BULK, "npy": 1}) == ["memh", "npy"]
    assert usual_formats({"memh": BULK + 1, "npy": 1}) == ["npy"]


# ------------------------------------------------------------------------------------------------------------ demand


def test_masks_equal_brute_force_on_every_select_pattern() -> None:
    graph, rng = selecting_graph(), np.random.default_rng(1)
    for pattern in range(16):
        inputs = {
            "s": np.array([[pattern >> c & 1 for c in range(4)]]),
            "x": rng.integers(-99, 100, (1, 4, 3, 3)),
        }
        trace = reference.trace(graph, inputs)
        masks = demand_masks(graph, {name: array[0] for name, array in trace.items()})
        truth = {out.name: trace[out.value].tolist() for out in graph.outputs}
        assert run_poisoned(graph, inputs, masks, rng) == truth
        for name in ("first", "left", "shuffled", "right", "both", "picked", "mux", "last", "unused"):
            for channel in range(len(masks[name])):
                less = {other: mask.copy() for other, mask in masks.items()}
                less[name][channel] = False
                changed = any(run_poisoned(graph, inputs, less, rng) != truth for _ in range(3))
                assert changed == masks[name][channel], (pattern, name, channel)


@settings(max_examples=100)
@given(graphs_with_images(images=1), st.integers(0, 2**32))
def test_undemanded_channels_never_matter(case: tuple[Graph, dict[str, np.ndarray]], seed: int) -> None:
    graph, inputs = case
    trace = reference.trace(graph, inputs)
    masks = demand_masks(graph, {name: array[0] for name, array in trace.items()})
    truth = {out.name: trace[out.value].tolist() for out in graph.outputs}
    rng = np.random.default_rng(seed)
    assert all(run_poisoned(graph, inputs, masks, rng) == truth for _ in range(2))


# ------------------------------------------------------------------------------------------------- the second opinion


def test_the_engine_agrees_and_a_disagreement_names_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = intinfer.Model(GRAPH)
    write_vectors(model, IMAGES, tmp_path / "t")
    unchecked = write_unchecked(GRAPH, IMAGES, tmp_path / "u")
    assert manifest(tmp_path / "t") == manifest(unchecked)
    honest = reference.trace

    def wrong(graph: Graph, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        trace = honest(graph, inputs)
        if np.array_equal(inputs["image"], IMAGES[1:2]):
            trace["mux"][0, 2, 1, 3] += 1
            trace["fc"][0, 0] += 1
        return trace

    monkeypatch.setattr(reference, "trace", wrong)
    value = int(TRACE["mux"][1, 2, 1, 3])
    message = (
        f"node 'mux': at n=1, c=2, y=1, x=3 the fast engine gives {value} and the reference {value + 1}; nothing was "
        "written, please report this bug of intinfer with the model"
    )
    with pytest.raises(IntinferError, match=f"^{re.escape(message)}$"):
        write_vectors(model, IMAGES, tmp_path / "v")
    session = model.session(True)
    honest_run = session.run
    monkeypatch.setattr(reference, "trace", honest)
    monkeypatch.setattr(session, "run", lambda inputs: {"logits": honest_run(inputs)["logits"] - 1})
    value = int(TRACE["fc"][0, 0])
    with pytest.raises(IntinferError) as caught:
        write_vectors(model, IMAGES, tmp_path / "v")
    assert str(caught.value).startswith(
        f"node 'fc': at n=0, c=0 the fast engine with skipping gives {value - 1} and the reference {value}; "
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t", "u"]


# ------------------------------------------------------------------------------------------------------------ refusals


def test_refusals_leave_nothing(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").touch()
    new = tmp_path / "t"
    cases: list[tuple[Path, dict[str, Any], str]] = [
        (full, {}, f"{full}: exists and is not empty; give another name or remove it"),
        (new, {"nodes": ["muxx"]}, "the model has no node 'muxx'; close names: mux"),
        (new, {"nodes": []}, "no nodes are asked for; name some, or leave the choice out for all"),
        (new, {"formats": ["memh", "coe"]}, "format 'coe' is unknown; there are memh and npy"),
        (new, {"formats": []}, "no format is asked for; there are memh and npy"),
        (new, {"order": "chwn"}, "order 'chwn' is unknown; there are nhwc and nchw"),
    ]
    for target, options, message in cases:
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            write_unchecked(GRAPH, IMAGES, target, **options)
    with pytest.raises(DataError, match=r"^there are no images; golden vectors need at least one$"):
        write_unchecked(GRAPH, IMAGES[:0], new)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_trap_names_the_image(tmp_path: Path) -> None:
    batch = np.stack([np.zeros((3, 8, 8), int), np.full((3, 8, 8), 255)])
    with pytest.raises(RangeError) as caught:
        write_unchecked(trapping_graph(), batch, tmp_path / "t")
    assert str(caught.value).startswith("image 1 (images counted from 0): node 'conv' (conv2d): accumulator of 9 bits ")
    assert list(tmp_path.iterdir()) == []


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


# ----------------------------------------------------------------------------------------------------------- simulator

ECHO = """
module echo;
  reg [{top}:0] memory [0:{last}];
  integer i;
  initial begin
    $readmemh("{file}", memory);
    for (i = 0; i <= {last}; i = i + 1) $display("%h", memory[i]);
    $finish(0);
  end
endmodule
"""


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog (iverilog) is not installed")
def test_a_simulator_reads_the_same_words(tmp_path: Path, vectors: Path) -> None:
    items = {item["files"][0]["path"]: item for item in manifest(vectors)["tensors"]}
    for number, path in enumerate(("values/%43onv%2f1.memh", "values/fc.memh", "constants/dw.weight.memh")):
        item = items[path]
        memory = tmp_path / f"{number}.memh"
        shutil.copy(vectors / path, memory)
        text = ECHO.format(top=item["bits"] - 1, last=item["words"] - 1, file=memory)
        source, program = tmp_path / f"{number}.sv", tmp_path / f"{number}.vvp"
        source.write_text(text)
        subprocess.run(["iverilog", "-g2012", "-o", program, source], check=True)
        done = subprocess.run(["vvp", "-n", program], capture_output=True, text=True, check=True)
        assert "WARNING" not in done.stdout + done.stderr
        assert [int(line, 16) for line in done.stdout.split()] == read_memh(memory, item["bits"])
