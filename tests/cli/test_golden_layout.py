"""The options of `intinfer golden` that say how words hold elements, and `verify` of what they make."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from golden_layouts import decoded, graph_of, held, memories, tensors
from golden_sets import NoCheck

import intinfer
from intinfer.cli import main
from intinfer_golden import Tile, WordOptions
from intinfer_golden.make import isolated

GRAPH = graph_of(2, (2, 2), 3, 2)
CONSTANTS = {
    f"{node.name}.{name}": getattr(node.op, name).values
    for node in GRAPH.nodes
    for name in ("weight", "thresholds", "descending", "multiplier", "offset", "shift")
    if hasattr(node.op, name)
}


@pytest.fixture(autouse=True)
def _unchecked() -> Iterator[None]:
    with patch("intinfer_golden.make.run.CrossCheck", NoCheck):
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "m.npz"
    intinfer.save(GRAPH, path)
    return str(path)


LAYOUT = [
    *("--weights", "pe=4,simd=8", "--weights", "conv:pe=2,simd=9,per-pe", "--weights", "fc:per-pe,pe=3"),
    *("--thresholds", "word", "--thresholds", "round:pe=2", "--element0", "high", "--pad-elements", "8"),
]
TILES = {
    "weights": {"": Tile(4, 8), "conv": Tile(2, 9, True), "fc": Tile(3, None, True)},
    "thresholds": {"": Tile(), "round": Tile(2)},
}


def test_sets_in_tiles_and_their_memories(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "sets"
    line = ["golden", model, "--isolated", "-o", str(target), "--rounds", "0", "--format", "memh", *LAYOUT]
    assert main(line) == 0
    dumps = []
    for node in ("conv", "act", "deep", "line", "round", "fc"):
        document = json.loads((target / node / "manifest.json").read_text("ascii"))
        words = WordOptions.of_document(document["command"]["words"])
        kept = {key: {name: tiles[name] for name in ("", node) if name in tiles} for key, tiles in TILES.items()}
        assert (node, words) == (node, WordOptions(**kept, element0="high", pad_elements=8))
        for name, item in tensors(target / node).items():
            if item["attribute"]:
                found = decoded(memories(target / node, item), item)
                assert (name, found) == (name, held(CONSTANTS.pop(name)))
                dumps += [str(target / node / file["path"]) for file in item["files"]]
    assert not CONSTANTS
    capsys.readouterr()
    assert main(["verify", str(target), *dumps]) == 0
    assert f"{len(dumps)} of {len(dumps)} dumps equal" in capsys.readouterr().out
    bad = tmp_path / "conv.weight.pe1.mem"
    words = [line for line in Path(dumps[1]).read_text("ascii").splitlines() if "/" not in line]
    bad.write_text("\n".join([words[0][:-1] + "2", *words[1:]]), "ascii")
    assert Path(dumps[1]).name == "conv.weight.pe1.memh"
    assert main(["verify", str(target), str(bad)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"{bad}: constant conv/conv.weight.pe1: DIFFERENT, 1 of 36 values compared")
    assert out[1].startswith("  first: (word 0 lane 8, line 1): expected nothing, actual ")


def test_resume_needs_the_same_layout(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["golden", model, "--isolated", "-o", str(tmp_path / "s"), "--rounds", "0", "--format", "npy"]
    write, calls = isolated._Sets.write, iter(range(9))

    def killed(*arguments: Any) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        write(*arguments)

    with patch("intinfer_golden.make.isolated._Sets.write", killed):
        main([*base, *LAYOUT])
    assert main([*base, "--resume"]) == 2
    assert "was begun with another set of options" in capsys.readouterr().err.splitlines()[-1]
    assert main([*base, *LAYOUT, "--resume"]) == 0
    for node in ("conv", "fc"):
        words = json.loads((tmp_path / "s" / node / "manifest.json").read_text("ascii"))["command"]["words"]
        assert words["element0"] == "high"


REFUSED = {
    "no tile": (["--weights", "4x8"], "'4x8' is no tile; give [NODE:]pe=P[,simd=S][,per-pe], as in pe=4,simd=8"),
    "unknown part": (["--weights", "pe=4,foo=8"], "--weights 'pe=4,foo=8' is no tile"),
    "a part twice": (["--weights", "pe=4,pe=8"], "--weights 'pe=4,pe=8' is no tile"),
    "per-pe alone": (["--weights", "per-pe"], "--weights 'per-pe' is no tile"),
    "zero": (["--weights", "pe=0,simd=8"], "--weights 'pe=0,simd=8': '0' is not a whole number of at least 1"),
    "no number": (["--thresholds", "pe=two"], "--thresholds 'pe=two': 'two' is not a whole number"),
    "word of weights": (["--weights", "word"], "--weights 'word' is no tile"),
    "twice": (["--weights", "pe=2", "--weights", "pe=3"], "--weights gives the tile of all nodes twice"),
    "a node twice": (["--thresholds", "act:word", "--thresholds", "act:pe=3"], "gives the tile of 'act' twice"),
    "no node": (["--weights", "cnov:pe=2"], "the model has no node 'cnov'; close names: conv"),
    "no layer": (["--weights", "act:pe=2"], "a tile of weights is given for node 'act', which is threshold"),
    "slot": (["--pad-elements", "12"], "--pad-elements '12' is no slot; give one of 8, 16, 32, 64, or as in 8,zero"),
    "filling": (["--pad-elements", "8,one"], "--pad-elements '8,one' is no slot"),
    "width": (["--weights", "pe=9000,simd=8"], "more than 65,536; give smaller tiles"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_layouts_that_are_none(case: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, message = REFUSED[case]
    assert main(["golden", model, "--isolated", "-o", str(tmp_path / "s"), *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err.splitlines()[-1]
    assert captured.err.splitlines()[-1].startswith("intinfer: error: ")
    assert list(tmp_path.iterdir()) == []
