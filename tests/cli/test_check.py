"""`intinfer check`: exit codes, JSON, where the images come from, what does not fit, and the reproducer."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from helpers import tiny_graph, write_png

import intinfer
from intinfer.cli import main

torch = pytest.importorskip("torch")

NET = "mognet:n=4,g=1,k=2,layout=1m,pool=1,classes=3,height=8,width=8"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """net.pt of NET, model.npz made from it, and changed.pt with another batch norm slope in conv1_bn, channel 1."""
    from converters.random_nets import RANDOM, randomised

    path = tmp_path_factory.mktemp("check")
    net, _ = randomised(NET, RANDOM, seed=1, batch=4)
    torch.save(net.state_dict(), path / "net.pt")
    with torch.no_grad():
        net.conv1_bn.weight[2] *= 1.25
    torch.save(net.state_dict(), path / "changed.pt")
    assert main(["convert", str(path / "net.pt"), "--net", NET, "-o", str(path / "model.npz")]) == 0
    return path


def files(folder: Path, source: str = "net.pt") -> list[str]:
    return [str(folder / "model.npz"), str(folder / source)]


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["check", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[-1].startswith("intinfer: error: ")
    return lines[-1].removeprefix("intinfer: error: ")


def test_json_of_a_model_that_is_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["check", *files(folder), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    document = json.loads(captured.out)
    assert document["images"] == 64
    assert document["exact"] + document["float_ties"] == document["values"] > 64 * 100
    assert document["mismatches"] == 0
    assert (document["same_checkpoint"], document["net"]) == (True, NET)
    assert document["end_to_end"]["same_class"] + document["float_ties"] >= 64
    assert sum(node["values"] for node in document["nodes"]) == document["values"]
    assert [node["name"] for node in document["nodes"]][:3] == ["conv1", "conv1.act", "s1.cflog.pw1"]
    assert all(node["first"] is None for node in document["nodes"])


def test_a_changed_checkpoint_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *files(folder, "changed.pt"), "--limit", "40", "--json"]) == 1
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert (document["same_checkpoint"], document["images"]) == (False, 40)
    assert captured.err.startswith(
        f"intinfer: {folder / 'changed.pt'} is not the file that the model was converted from (SHA-256 "
    )
    wrong = [node for node in document["nodes"] if node["mismatches"]]
    assert [node["name"] for node in wrong] == ["conv1.act"]
    first = wrong[0]["first"]
    assert first["source"] == ["conv1_bn", "conv1_act"]
    assert first["at"][0] == 2
    assert first["distance"] > first["bound"]
    assert main(["check", *files(folder, "changed.pt"), "--limit", "40"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["node", "op", "from", "values"]
    assert lines[-3].startswith(f"40 images, {document['values']:,} values: {document['exact']:,} equal, ")
    assert lines[-3].endswith(f" float ties, {document['mismatches']:,} mismatches")
    assert lines[-2].startswith("end to end: the same class on ")
    assert lines[-1].startswith("mismatch: conv1.act (from conv1_bn, conv1_act), image ")


def test_data_from_files(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=images)
    (tmp_path / "pictures" / "cat").mkdir(parents=True)
    for number, image in enumerate(images):
        write_png(tmp_path / "pictures" / "cat" / f"{number}.png", image.transpose(2, 0, 1).astype(np.int64))
    (tmp_path / "pictures" / ".hidden").write_text("")
    one = str(tmp_path / "pictures" / "cat" / "3.png")
    results = []
    for data, count in (["images.npz"], 5), (["pictures"], 5), ([one], 1), ([one, "pictures"], 6):
        paths = [str(tmp_path / path) for path in data]
        assert main(["check", *files(folder), "--json", "--data", *paths]) == 0
        results.append(json.loads(capsys.readouterr().out))
        assert results[-1]["images"] == count
    assert results[0] == results[1]
    assert main(["check", *files(folder), "--json", "--limit", "2", "--data", str(tmp_path / "images.npz")]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 2


def test_data_that_does_not_fit(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def message(data: str) -> str:
        return refusal([*files(folder), "--data", data], capsys)

    path = tmp_path / "images.npz"
    np.savez(path, images=np.zeros((2, 9, 8, 3), np.uint8))
    assert message(str(path)) == f"{path}: images are uint8 (2, 9, 8, 3), uint8 (N, 8, 8, 3) is needed"
    np.savez(path, images=np.zeros((0, 8, 8, 3), np.uint8))
    assert message(str(path)) == f"{path}: there are no images in it"
    np.savez(path, pictures=np.zeros(1))
    assert message(str(path)) == f"{path}: key 'images' is missing, it holds pictures; images are needed"
    path.write_bytes(b"PK")
    assert message(str(path)).startswith(f"{path}: cannot be read as .npz (")
    assert message(str(tmp_path / "no.npz")) == f"{tmp_path / 'no.npz'}: no such file or folder"
    assert message(str(tmp_path / "no.png")) == f"{tmp_path / 'no.png'}: no such file or folder"
    (tmp_path / "empty").mkdir()
    assert (
        message(str(tmp_path / "empty")) == f"{tmp_path / 'empty'}: there are no files in it; give a folder with images"
    )


def test_what_does_not_belong_together(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, source = files(folder)
    other = NET.replace("classes=3", "classes=4")
    assert refusal([model, source, "--net", other], capsys) == (
        f"{model}: was converted from {NET}, not from {other}; leave --net out"
    )
    same = NET + ",seed=0"
    assert main(["check", model, source, "--net", same, "--limit", "1"]) == 0
    capsys.readouterr()
    assert refusal([model, str(folder / "no.pt")], capsys) == f"{folder / 'no.pt'}: no such file"

    intinfer.save(tiny_graph(), tmp_path / "tiny.npz")  # its provenance names no known network
    message = refusal([str(tmp_path / "tiny.npz"), source], capsys)
    assert message.startswith("unknown network 'tiny'; known: ")
    message = refusal([str(tmp_path / "tiny.npz"), source, "--net", NET], capsys)
    assert message.startswith(
        f"{tmp_path / 'tiny.npz'}, {source}: the model was not made from this source: node 'conv' is not in the "
    )

    graph = intinfer.load(model).graph
    graph.provenance.clear()
    intinfer.save(graph, tmp_path / "nameless.npz")
    assert refusal([str(tmp_path / "nameless.npz"), source], capsys) == (
        f"{tmp_path / 'nameless.npz'}: does not say which network it was converted from; give it with --net"
    )
    assert main(["check", str(tmp_path / "nameless.npz"), source, "--net", NET, "--limit", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same_checkpoint"] is None
    assert refusal([model, source, "--seed", "-1"], capsys) == "--seed -1 is negative; give 0 or more"


def test_a_reproducer_replays(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", *files(folder), "--examples", "10", "--limit", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reproducer"] is None
    assert not list(tmp_path.iterdir())

    command = ["check", *files(folder, "changed.pt"), "--limit", "1", "--examples", "20", "--json"]
    assert main(command) == 1
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["reproducer"] == ["check-failure.npz", "check-failure.json"]
    assert document["mismatches"] > 0
    assert captured.err.splitlines()[-1] == (
        "intinfer: the simplest failing image found is in check-failure.npz; check-failure.json has the command that "
        "replays it"
    )
    reproducer = json.loads(Path("check-failure.json").read_text())
    before = Path("check-failure.npz").read_bytes()
    assert reproducer["node"] == "conv1.act"
    replay = shlex.split(reproducer["command"])
    assert replay[0] == "intinfer"
    assert main([*replay[1:], "--json"]) == 1
    again = json.loads(capsys.readouterr().out)
    assert again["images"] == 1
    (first,) = [node["first"] for node in again["nodes"] if node["first"]]
    assert first == reproducer["mismatch"]
    assert main(command) == 1
    assert Path("check-failure.npz").read_bytes() == before
    assert main([*command, "--reproducer", str(tmp_path / "other"), "--seed", "5"]) == 1
    assert (tmp_path / "other.json").is_file()


def test_examples_need_hypothesis(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "intinfer.strategies", raising=False)

    class Blocker:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name.split(".")[0] == "hypothesis":
                raise ModuleNotFoundError("No module named 'hypothesis'", name="hypothesis")

    for name in [name for name in sys.modules if name.split(".")[0] == "hypothesis"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Blocker(), *sys.meta_path])
    assert refusal([*files(folder), "--examples", "1"], capsys) == (
        "check needs hypothesis; install it with: pip install 'intinfer[hypothesis]'"
    )
