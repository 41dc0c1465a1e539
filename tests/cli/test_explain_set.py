"""`intinfer explain` of a frame of a set, and the command lines that `verify` prints, run as they are printed."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from golden_sets import NoCheck, block_graph, images, write_unchecked

import intinfer
from intinfer import reference
from intinfer.cli import main
from intinfer_golden.describe import manifest
from intinfer_golden.describe.regions import each_node, isolate
from intinfer_golden.make.isolated import write_isolated

GRAPH = block_graph()
IMAGES = images(3)
TRACE = reference.trace(GRAPH, IMAGES)


@pytest.fixture(scope="module", autouse=True)
def _unchecked() -> Iterator[None]:
    with patch("intinfer_golden.make.run.CrossCheck", NoCheck):
        yield


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_unchecked(GRAPH, IMAGES, tmp_path_factory.mktemp("it's a") / "set", order="nwch", fold=3)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nodes alone, with demand masks, and a block with an internal input."""
    target = tmp_path_factory.mktemp("sets") / "nodes"
    regions = [*each_node(GRAPH, ["dw", "mux", "sum"]), isolate(GRAPH, ["select", "dw", "ca", "mux"], "tail of it")]
    options: dict[str, Any] = {"rounds": 0, "masks": True, "formats": ["memh"], "images": IMAGES}
    write_isolated(intinfer.Model(GRAPH), regions, target, **options)
    return target


def printed(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == code
    return capsys.readouterr().out


def document(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(printed([*arguments, "--json"], 0, capsys))


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.removeprefix("intinfer: error: ").rstrip("\n")


def test_every_node_of_a_network(network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in list(TRACE.items())[1:]:
        at = tuple(extent - 1 for extent in value.shape[1:])
        line = ["explain", str(network), "--frame", "2", "--node", name, "--at", ",".join(map(str, at))]
        found = document(line, capsys)
        assert (found["set"], found["frame"], found["label"]) == (str(network), 2, "image 2")
        assert found["value"] == found["stored"] == value[(2, *at)]
        assert found["equal"] is True
    text = printed(["explain", str(network), "--frame", "image 1", "--at", "0"], 0, capsys).splitlines()
    assert text[0] == f"fc (dense, from fc.weight) at c=0 is {TRACE['fc'][1, 0]}"
    assert text[-1] == f"{network}, frame 1 (image 1): holds {TRACE['fc'][1, 0]} as well"


def test_regions_have_their_own_inputs(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = manifest.load(index / "mux")
    stored = vectors.values["mux"].array()
    assert {value.name for value in vectors.graph().inputs} == {"select", "dw", "ca"}
    for frame, label in enumerate(vectors.frames):
        found = document(["explain", str(index / "mux"), "--frame", str(frame), "--at", "3,3,0"], capsys)
        value = stored[frame, 3, 3, 0]
        assert (found["node"], found["value"], found["stored"], found["label"]) == ("mux", value, value, label)
    found = document(["explain", str(index), "--node", "sum", "--frame", "image 0", "--at", "0,0,0"], capsys)
    assert (found["set"], found["stored"]) == (str(index / "sum"), TRACE["sum"][0, 0, 0, 0])
    inside = document(["explain", str(index), "--node", "ca", "--frame", "image 1", "--at", "2,0,0"], capsys)
    assert (inside["set"], inside["stored"]) == (str(index / "tail%20of%20it"), TRACE["ca"][1, 2, 0, 0])


def test_channels_that_a_frame_does_not_demand(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks = manifest.load(index / "dw").masks["dw"].array()
    frame, channel = (int(place[0]) for place in np.nonzero(masks == 0))
    line = ["explain", str(index / "dw"), "--frame", str(frame), "--at"]
    assert document([*line, f"{channel},0,0"], capsys)["demanded"] is False
    note = f"; channel {channel} is not demanded, so a design may differ"
    assert printed([*line, f"{channel},0,0"], 0, capsys).splitlines()[-1].endswith(note)
    other = int(np.argmax(masks.any(axis=1)))
    channel = int(np.argmax(masks[other]))
    assert document(["explain", str(index / "dw"), "--frame", str(other), "--at", f"{channel},0,0"], capsys)["demanded"]


def test_a_set_that_holds_another_value_is_said_so(
    network: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one would that another version made of another definition."""
    held = manifest.Stored.array
    monkeypatch.setattr(manifest.Stored, "array", lambda self: held(self) + (self.tensor.node == "fc"))
    line = ["explain", str(network), "--frame", "0", "--node", "fc", "--at", "2"]
    value = int(TRACE["fc"][0, 2])
    last = printed(line, 1, capsys).splitlines()[-1]
    assert last == f"{network}, frame 0 (image 0): holds {value + 1}, NOT {value}; make the vectors again"
    assert main([*line, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["equal"], found["stored"], found["value"]) == (False, value + 1, value)


def test_nodes_that_a_set_does_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = write_unchecked(GRAPH, IMAGES, tmp_path / "t", nodes=["act"], formats=["npy"])
    line = ["explain", str(target), "--frame", "1", "--node", "dw", "--at", "0,0,0"]
    found = document(line, capsys)
    assert (found["value"], found["stored"], found["equal"]) == (TRACE["dw"][1, 0, 0, 0], None, True)
    last = printed(line, 0, capsys).splitlines()[-1]
    assert last == f"{target}, frame 1 (image 1): does not hold this node"
    assert document(["explain", str(target), "--frame", "1", "--at", "0,0,0"], capsys)["node"] == "act"  # its output
    two = write_unchecked(GRAPH, IMAGES, tmp_path / "two", nodes=["act", "dw"], formats=["npy"])
    assert refusal(["explain", str(two), "--frame", "1", "--at", "0,0,0"], capsys) == (
        f"{two}: has 2 outputs; say which with --node: act, dw"
    )


def test_refusals(network: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = ", ".join(str(index / name) for name in ("dw", "mux", "sum", "tail%20of%20it"))
    two = ", ".join(str(index / name) for name in ("dw", "tail%20of%20it"))
    model = tmp_path / "m.npz"
    intinfer.save(GRAPH, model)
    cases = [
        (["--frame", "3"], f"{network}: has frames 0..2; there is no frame 3"),
        ([], f"{network}: has frames 0..2; say which with --frame"),
        (["--frame", "cat"], f"{network}: no frame is named 'cat'; give its number, 0..2"),
        (["--frame", "-1"], f"{network}: no frame is named '-1'; give its number, 0..2"),
        (["--frame", "0", "--node", "muxx"], "no node named 'muxx'; close names: mux"),
        (
            ["--frame", "0", "--node", "image"],
            f"{network}: 'image' is an input, which no node makes; see {network}/values/image.memh",
        ),
        (
            ["x.png", "--frame", "0"],
            f"{network}: is a folder with vectors, which have frames of their own; leave IMAGE out",
        ),
        (
            ["--index", "0", "--frame", "0"],
            f"{network}: is a folder with vectors, which have frames of their own; leave --index out",
        ),
    ]
    for arguments, message in cases:
        assert refusal(["explain", str(network), *arguments, "--at", "0"], capsys) == message
    at = ["--frame", "0", "--at", "0,0,0"]
    assert refusal(["explain", str(index), *at], capsys) == f"{index}: holds 4 sets; give one of them: {sets}"
    assert refusal(["explain", str(index), "--node", "dw", *at], capsys) == (
        f"{index}: holds 4 sets, 2 of which compute node 'dw'; give one of them: {two}"
    )
    assert refusal(["explain", str(index), "--node", "fc", *at], capsys) == (
        f"{index}: holds 4 sets, none of which computes node 'fc'; give one of them: {sets}"
    )
    alone = json.loads((index / "index.json").read_text())
    (one := tmp_path / "one").mkdir()
    (one / "index.json").write_text(json.dumps(alone | {"sets": alone["sets"][:1]}))
    assert refusal(["explain", str(one), "--node", "fc", *at], capsys) == (
        f"{one}: holds 1 set, none of which computes node 'fc'; give one of them: {one / 'dw'}"
    )
    none = tmp_path / "none"
    assert refusal(["explain", str(none), *at], capsys) == (
        f"{none}: no such folder; give a folder that intinfer golden made"
    )
    assert refusal(["explain", str(tmp_path), *at], capsys) == (
        f"{tmp_path}: has no manifest.json; give a folder that intinfer golden made"
    )
    assert refusal(["explain", str(model), *at], capsys) == (
        f"{model}: is a model; --frame is of a set of golden vectors"
    )
    assert refusal(["explain", str(model), "--at", "0"], capsys) == f"{model}: is a model; give the image as well"


def wrong_dump(directory: Path, node: str, place: tuple[int, ...], tmp_path: Path) -> tuple[Path, int]:
    """A dump of a node with one wrong value, and what it should be."""
    entry = manifest.load(directory).values[node]
    values = entry.array()
    wanted = int(values[place])
    values[place] = wanted + (1 if wanted < entry.tensor.code.hi else -1)
    dump = tmp_path / "dump.txt"
    dump.write_text("\n".join(map(str, entry.tensor.flat(values))))
    return dump, wanted


def commands(text: str) -> dict[str, str]:
    """The command lines at the end of what verify prints."""
    lines = [line.strip().partition(": ") for line in text.splitlines()]
    return {name: line for name, _, line in lines if line.startswith("intinfer ")}


def test_the_command_that_verify_prints_is_run(
    network: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for given, folder, node, place in [
        (network, network, "Conv/1", (2, 3, 3, 4)),
        (network, network, "fc", (1, 2)),
        (index, index / "sum", "sum", (4, 1, 0, 0)),
        (index / "tail%20of%20it", index / "tail%20of%20it", "dw", (1, 0, 2, 3)),
    ]:
        dump, wanted = wrong_dump(folder, node, place, tmp_path)
        text = printed(["verify", str(given), str(dump), "--node", node, "--full"], 1, capsys)
        assert f"  frames: {place[0]}\n" in text
        line = commands(text)["explain"]
        program, *arguments = shlex.split(line)
        assert program == "intinfer"
        found = document(arguments, capsys)
        assert (found["frame"], found["node"], tuple(found["at"].values())) == (place[0], node, place[1:])
        assert found["value"] == found["stored"] == wanted
        assert main(["verify", str(given), str(dump), "--node", node, "--full", "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["explain"] == line


def test_the_command_goes_through_a_shell(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From where the user was, with the path that the user gave: blanks, a quote, a leading dash."""
    monkeypatch.chdir(tmp_path)
    Path("-it's a").symlink_to(network.parent)
    dump, wanted = wrong_dump(network, "fc", (2, 1), tmp_path)
    text = printed(["verify", "./-it's a/set", str(dump), "--node", "fc"], 1, capsys)
    line = commands(text)["explain"]
    assert line.startswith("intinfer explain './-it'")
    script = f'intinfer() {{ {shlex.quote(sys.executable)} -m intinfer "$@"; }}\n{line}'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"fc (dense, from fc.weight) at c=1 is {wanted}\n")


def test_without_a_place_there_is_no_command(network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = manifest.load(network).values["fc"].values().tolist()
    dump = tmp_path / "dump.txt"
    dump.write_text("\n".join(map(str, [*values, 0])))
    line = ["verify", str(network), str(dump), "--node", "fc"]
    assert "intinfer explain" not in printed(line, 1, capsys)
    wrong, _ = wrong_dump(network, "image", (0, 0, 0, 0), tmp_path)
    found = commands(printed(["verify", str(network), str(wrong), "--node", "image"], 1, capsys))
    assert list(found) == ["minimal"]
    assert main(["verify", str(network), f"{network}/values/fc.memh", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["explain"], document["minimal"]) == (None, None)
