"""`intinfer golden`: blocks by name, nodes by glob, frames of a set, folders that are replaced."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from golden_sets import NoCheck, block_graph, bytes_of, images, write_unchecked
from tools import module

import intinfer
from intinfer import reference
from intinfer.cli import golden, main
from intinfer_golden import Tile, WordOptions
from intinfer_golden.describe import manifest
from intinfer_golden.describe.regions import each_node
from intinfer_golden.make import run
from intinfer_golden.make.isolated import write_isolated

GRAPH = block_graph()
IMAGES = images(3)
TRACE = reference.trace(GRAPH, IMAGES)


@pytest.fixture(scope="module", autouse=True)
def _unchecked() -> Iterator[None]:
    with patch("intinfer_golden.make.run.CrossCheck", NoCheck):
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    intinfer.save(GRAPH, folder / "m.npz")
    np.savez(folder / "data.npz", images=IMAGES.astype(np.uint8).transpose(0, 2, 3, 1))
    return str(folder / "m.npz")


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of one convolution in an odd layout, with demand masks as stimuli."""
    target = tmp_path_factory.mktemp("sets") / "nodes"
    options: dict[str, Any] = {"rounds": 0, "masks": True, "formats": ["mif", "bin"], "order": "nchw", "fold": 2}
    write_isolated(intinfer.Model(GRAPH), each_node(GRAPH, ["dw"]), target, **options)
    return target / "dw"


def data(model: str) -> str:
    return str(Path(model).with_name("data.npz"))


def document(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "manifest.json").read_text("ascii"))
    schema = Path(manifest.__file__).with_name("manifest.schema.json")
    module("jsonschema").validate(found, json.loads(schema.read_text("utf-8")))
    return found


def outputs(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Port and node of each output."""
    ports = [port for port in found["ports"] if port["direction"] == "out"]
    return [(port["port"], found["tensors"][port["tensor"]]["node"]) for port in ports]


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["golden", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()[-1].removeprefix("intinfer: error: ")


def test_the_nodes_that_are_named_are_the_outputs_of_the_bench(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["golden", model, data(model), "--format", "memh", "-o"]
    assert main([*line, str(tmp_path / "a"), "--nodes", "mux,act,[sd]*w,select"]) == 0
    found = document(tmp_path / "a")
    wanted = ["act", "select", "dw", "mux"]
    assert outputs(found) == [(f"m{i}_axis", name) for i, name in enumerate(wanted)]
    assert found["command"]["nodes"] == wanted
    assert [port["port"] for port in found["ports"]] == ["s0_axis", "m0_axis", "m1_axis", "m2_axis", "m3_axis"]
    bench = (tmp_path / "a" / "bench" / "tb.sv").read_text()
    for node in wanted:
        assert f'"values/{node}.memh"' in bench
        assert f'"demand/{node}.memh"' in bench
    assert '"values/fc.memh"' not in bench
    assert main([*line, str(tmp_path / "b")]) == 0
    assert outputs(document(tmp_path / "b")) == [("m0_axis", "fc")]
    assert refusal([*line[1:], str(tmp_path / "c"), "--nodes", "act,x*"], capsys) == (
        "no node matches 'x*'; intinfer inspect lists them"
    )


def test_blocks_with_names_and_several_globs(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = ["--block", "select unit=select,dw,c?,mux", "--block", "sum,fl*", "--block", "Conv/*"]
    line = ["golden", model, *blocks, "--rounds", "0", "--format", "npy", "-o", str(tmp_path / "t")]
    assert main(line) == 0
    index = json.loads((tmp_path / "t" / "index.json").read_text())
    assert [(entry["name"], entry["path"], entry["nodes"]) for entry in index["sets"]] == [
        ("select unit", "select%20unit", ["select", "dw", "ca", "mux"]),
        ("sum,fl*", "sum%2cfl%2a", ["sum", "flat"]),
        ("Conv/*", "%43onv%2f%2a", ["Conv/1"]),
    ]
    for entry in index["sets"]:
        found = document(tmp_path / "t" / entry["path"])
        assert found["region"] == {"name": entry["name"], "nodes": entry["nodes"]}
    target = ["-o", str(tmp_path / "u")]
    named = "golden: argument --block: {!r} is not GLOB,... or NAME=GLOB,...; see intinfer golden --help"
    for text in ("=a", "a=", "a,,b", "n=a,"):
        assert refusal([model, "--block", text, *target], capsys) == named.format(text)
    for blocks, message in [
        (["a=dw", "a=ca"], "2 blocks are called 'a'; give each a name of its own, NAME=GLOB"),
        (["a=dw,xx"], "the model has no node 'xx'; close names: "),
        (["index.json=dw"], "a region is called 'index.json', as a file of the index; give it another name"),
    ]:
        arguments = [word for block in blocks for word in ("--block", block)]
        assert refusal([model, *arguments, *target], capsys).startswith(message)
    assert not (tmp_path / "u").exists()


def test_the_model_is_named_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of several files that are missing, the one that all others depend on."""
    gone = str(tmp_path / "gone.npz")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").touch()
    target = str(tmp_path / "t")
    for arguments in (
        ["golden", gone, "-o", target],
        ["golden", gone, "no.png", "-o", str(full)],
        ["golden", gone, "--block", "x*", "-o", target],
        ["run", gone, "no.png"],
        ["run", gone, "no.png", "--trace", str(full)],
        ["eval", gone, "no.npz"],
        ["profile", gone, "no.npz", "--plot", str(full)],
        ["explain", gone, "no.png", "--at", "0"],
        ["explain", gone, "--at", "0"],
        ["check", gone, "no.onnx", "--data", "no.npz"],
        ["inspect", gone],
        ["cost", gone],
    ):
        assert main(arguments) == 2
        assert capsys.readouterr().err.splitlines()[-1] == f"intinfer: error: {gone}: no such file", arguments


def test_frames_of_a_network(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "set"
    options = ["--fold", "2,fc=3", "--order", "nwch", "--format", "memh,npy,coe", "--nodes", "act,mux"]
    assert main(["golden", model, data(model), "-o", str(source), *options]) == 0
    capsys.readouterr()
    assert main(["golden", str(source), "--frames", "2,0-1,1", "-o", str(tmp_path / "few")]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'few'}: 3 nodes, 4 images, memh and coe and npy\n"
    found, old = document(tmp_path / "few"), document(source)
    assert found["frames"] == ["image 2", "image 0", "image 1", "image 1"]
    assert found["command"]["options"] == {"fit": "exact", "frames": "2,0-1,1"}
    for key in ("model", "mode", "region", "seed", "rounds", "graph", "nodes", "outputs", "ports"):
        assert found[key] == old[key]
    same = write_unchecked(
        GRAPH,
        IMAGES[[2, 0, 1, 1]],
        tmp_path / "same",
        fold={"": 2, "fc": 3},
        order="nwch",
        formats=["memh", "npy", "coe"],
        nodes=["act", "mux"],
    )
    given, wanted = bytes_of(tmp_path / "few"), bytes_of(same)
    assert {name for name in wanted if given[name] != wanted[name]} <= {
        "manifest.json",
        "bench/tb.sv",
        "bench/frames.txt",
    }
    assert given.keys() == wanted.keys()


def test_frames_of_a_region_keep_their_masks_and_labels(masked: Path, tmp_path: Path) -> None:
    old = document(masked)
    partly = int(np.argmin(manifest.load(masked).masks["dw"].array().all(axis=1)))
    chosen = [0, 1, partly, partly + 1]
    ranges = f"0-1,{partly}-{partly + 1}"
    assert main(["golden", str(masked), "--frames", ranges, "-o", str(tmp_path / "few")]) == 0
    found = document(tmp_path / "few")
    assert found["frames"] == [f"{old['frames'][n]} (frame {n})" for n in chosen]
    assert (found["model"], found["region"], found["mode"]) == (old["model"], old["region"], "isolated")
    assert [port["direction"] for port in found["ports"]] == ["in", "demand", "out"]
    before, after = manifest.load(masked), manifest.load(tmp_path / "few")
    for name, entry in before.values.items():
        assert np.array_equal(entry.array()[chosen], after.values[name].array())
        assert (entry.tensor.order, entry.tensor.fold) == (
            after.values[name].tensor.order,
            after.values[name].tensor.fold,
        )
    assert np.array_equal(before.masks["dw"].array()[chosen], after.masks["dw"].array())
    assert partly > 1
    assert main(["golden", str(tmp_path / "few"), "--frames", "3", "-o", str(tmp_path / "one")]) == 0
    assert document(tmp_path / "one")["frames"] == [f"{old['frames'][partly + 1]} (frame {partly + 1})"]


def test_the_command_that_verify_prints_makes_a_set_that_fails_alike(
    masked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    entry = manifest.load(masked).values["dw"]
    assert entry.tensor.shape[0] > 9
    wrong = entry.array()
    for frame in (3, 4, 7):
        wrong[frame, 1, 0, 0] ^= 1

    def verified(directory: str, frames: list[int], code: int) -> str:
        Path("dw.txt").write_text("\n".join(map(str, entry.tensor.flat(wrong[frames]))))
        capsys.readouterr()
        assert main(["verify", directory, "dw.txt", "--full"]) == code
        return capsys.readouterr().out

    text = verified(str(masked), list(range(len(wrong))), 1)
    assert "  frames: 3-4,7 (3 in all)\n" in text
    (line,) = [line.removeprefix("  minimal: ") for line in text.splitlines() if line.startswith("  minimal: ")]
    assert line == f"intinfer golden {masked} --frames 2-4,6-7 -o dw-failing"
    assert main(shlex.split(line)[1:]) == 0
    assert "  frames: 1-2,4 (3 in all)\n" in verified("dw-failing", [2, 3, 4, 6, 7], 1)
    wrong = entry.array()
    verified("dw-failing", [2, 3, 4, 6, 7], 0)


def test_frames_keep_tiles_and_slots(tmp_path: Path) -> None:
    """Every word is laid out as the manifest says, whatever options said so."""
    tiles = {"": Tile(2, 3), "Conv/1": Tile(3, 2, per_pe=True)}
    words = WordOptions(tiles, {"act": Tile()}, "high", 8, zero=True)
    options: dict[str, Any] = {"words": words, "formats": ["memh", "npy"], "fold": 2}
    source = write_unchecked(GRAPH, IMAGES, tmp_path / "set", **options)
    same = write_unchecked(GRAPH, IMAGES[1:], tmp_path / "same", **options)
    assert main(["golden", str(source), "--frames", "1-2", "-o", str(tmp_path / "few")]) == 0
    given, wanted = bytes_of(tmp_path / "few"), bytes_of(same)
    assert {name for name in wanted if given[name] != wanted[name]} == {"manifest.json", "bench/frames.txt"}
    assert given.keys() == wanted.keys()
    assert document(tmp_path / "few")["tensors"] == document(same)["tensors"]


def test_frames_of_a_damaged_set_are_refused(masked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(masked)
    other = tmp_path / "set"
    shutil.copytree(masked, other)
    del found["command"]["options"]
    (other / "manifest.json").write_text(json.dumps(found))
    assert refusal([str(other), "--frames", "0", "-o", str(tmp_path / "t")], capsys) == (
        f"{other}/manifest.json: is damaged (KeyError: 'options'); make the vectors again"
    )
    assert not (tmp_path / "t").exists()


def test_refusals_of_frames(model: str, masked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = ["-o", str(tmp_path / "t")]
    count = len(manifest.load(masked).frames)
    last = f"{masked}: has frames 0..{count - 1}; there is no frame {{}}"
    usage = "golden: argument --frames: {}; see intinfer golden --help"
    index = str(masked.parent)
    for arguments, message in [
        ([str(masked), "--frames", f"0,{count}"], last.format(count)),
        ([str(masked), "--frames", "0-999999999"], last.format(999999999)),
        ([str(masked), "--frames", "3-2"], usage.format("'3-2' is empty: its first frame is after its last")),
        ([str(masked), "--frames", "3,,2"], usage.format("'3,,2' is not N,N-N,... of whole numbers")),
        ([str(masked), "--frames", "1--2"], usage.format("'1--2' is not N,N-N,... of whole numbers")),
        (
            [str(masked), "--frames", "1", "--fold", "2"],
            "--frames takes all but the frames from the set; leave --fold out",
        ),
        ([str(masked), "x.png", "--frames", "1"], "--frames takes all but the frames from the set; leave IMAGE out"),
        (
            [str(masked), "--frames", "1", "--cover", "9"],
            "--frames takes all but the frames from the set; leave --cover out",
        ),
        ([model, "--frames", "1"], f"{model}: is a file; give a folder that intinfer golden made"),
        ([str(masked)], f"{masked}: is a folder; of a set of vectors, say which frames with --frames"),
        ([model + "x", "--frames", "1"], f"{model}x: no such folder; give a folder that intinfer golden made"),
    ]:
        assert refusal([*arguments, *target], capsys) == message
    assert main(["golden", index, "--frames", "0", *target]) == 0  # an index of one set
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def replaced(model: str, target: Path, *options: str) -> list[str]:
    return ["golden", model, data(model), "-o", str(target), "--format", "npy", *options]


def test_force_replaces_a_set_and_an_index(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "t"
    assert main(replaced(model, target)) == 0
    (target / "bench").mkdir()
    (target / "bench" / "run.log").touch()
    old = bytes_of(target)
    exists = f"{target}: exists and is not empty; give another name, or --force to replace a set"
    assert refusal(replaced(model, target)[1:], capsys) == exists
    assert bytes_of(target) == old
    assert main(replaced(model, target, "--force", "--order", "nchw")) == 0
    assert document(target)["command"]["order"] == "nchw"
    assert not (target / "bench").exists()
    parts = ["golden", model, "--isolated", "--nodes", "sum,flat", "--rounds", "0", "--format", "npy", "--force"]
    assert main([*parts, "-o", str(target)]) == 0
    assert sorted(path.name for path in target.iterdir()) == ["flat", "index.json", "sum"]
    assert main(["golden", str(target / "sum"), "--frames", "0", "-o", str(target), "--force"]) == 0
    assert document(target)["images"] == 1
    assert main(replaced(model, tmp_path / "u", "--force")) == 0  # where nothing is
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t", "u"]


def test_force_leaves_what_golden_did_not_make(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "t"
    foreign = "{}: intinfer golden did not make it, and does not replace its folder; move it away"
    no_set = f"{target}: is no folder that intinfer golden made; give another name or remove it"

    def refused(message: str) -> None:
        before = bytes_of(target)
        assert refusal(replaced(model, target, "--force")[1:], capsys) == message
        assert bytes_of(target) == before
        assert [path.name for path in tmp_path.iterdir()] == ["t"]

    target.mkdir()
    (target / "notes.txt").touch()
    refused(no_set)
    (target / "manifest.json").write_text('{"format": "another"}')
    refused(no_set)
    (target / "manifest.json").write_text('{"format": "intinfer-golden", "tensors": [7]}')
    refused(no_set)
    for path in target.iterdir():
        path.unlink()
    assert main(replaced(model, target)) == 0
    for place in ("dut.sv", "values/mine.npy", "constants/deep/x"):
        path = target / place
        path.parent.mkdir(exist_ok=True)
        path.touch()
        refused(foreign.format(path if path.parent.name != "deep" else path.parent))
        path.unlink()
        if path.parent.name == "deep":
            path.parent.rmdir()
    (target / "model.npz").unlink()
    (target / "model.npz").symlink_to(model)
    assert refusal(replaced(model, target, "--force")[1:], capsys) == foreign.format(target / "model.npz")


def test_force_keeps_the_old_set_until_the_new_one_is_whole(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "t"
    assert main(replaced(model, target)) == 0
    old = bytes_of(target)
    finish = run._Run.finish
    for error, code in ((KeyboardInterrupt(), 130), (OSError(28, "No space left on device"), 2)):

        def killed(self: run._Run, error: BaseException = error) -> None:
            finish(self)
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(run._Run, "finish", killed)
            assert main(replaced(model, target, "--force", "--order", "nchw")) == code
        assert bytes_of(target) == old
        capsys.readouterr()
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    rename = Path.rename

    def failing(self: Path, other: Path) -> Path:
        if self.name == "t.partial":
            raise OSError(13, "Permission denied", str(self))
        return rename(self, other)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", failing)
        assert main(replaced(model, target, "--force", "--order", "nchw")) == 2
    assert bytes_of(target) == old
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


@pytest.mark.parametrize(
    ("left", "end"),
    [(0, "is hit, or"), (1, "in it 1 case that frames should show (bins) is open, "), (1234, "in it 1,234 cases")],
)
def test_one_of_a_kind_is_no_plural(left: int, end: str) -> None:
    document = {"directory": "d", "sets": 1, "frames": 1, "covered": int(left == 0), "open": left}
    sentence = golden._sentence(document)
    assert sentence.startswith("wrote d: 1 set, 1 frame; ")
    assert end in sentence
    whole = {"directory": "d", "images": 1, "nodes": 1, "format": ["npy"]}
    assert golden._sentence(whole) == "wrote d: 1 node, 1 image, npy"
