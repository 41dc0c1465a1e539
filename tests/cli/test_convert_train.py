"""From images to an integer model with the command line alone: train, convert, run, eval; and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import write_png

import intinfer
from intinfer.cli import main

torch = pytest.importorskip("torch")

NET = "mognet:n=4,g=1,k=2,layout=1m,pool=1,classes=3,height=8,width=8"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained checkpoint of NET."""
    from intinfer_converters.nets import build

    path = tmp_path_factory.mktemp("net") / "net.pt"
    torch.manual_seed(0)
    torch.save(build(NET).state_dict(), path)
    return path


def data(path: Path, count: int = 12) -> str:
    rng = np.random.default_rng(count)
    np.savez(path, images=rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8), labels=np.arange(count) % 3)
    return str(path)


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("intinfer: error: ")
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("intinfer: error: ").removesuffix("\n")


def test_convert_writes_what_the_library_gives(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from intinfer_converters import convert_checkpoint

    graph = convert_checkpoint(checkpoint, NET, ["a", "b", "c"])
    intinfer.save(graph, tmp_path / "expected.npz")
    output = tmp_path / "m.npz"
    output.write_text("an older file of that name is replaced")
    assert main(["convert", str(checkpoint), "--net", NET, "-o", str(output), "--classes", "a, b,c"]) == 0
    assert output.read_bytes() == (tmp_path / "expected.npz").read_bytes()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["node", "op", "from", "stored"]
    assert [line.split()[:2] for line in lines[1:-2]] == [[node.name, node.op.kind] for node in graph.nodes]
    assert lines[-1] == f"wrote {output}: {len(graph.nodes)} nodes, {output.stat().st_size:,} bytes"
    weights = sum(node.op.cost((graph.values[node.inputs[0]],), node.output).weight_bits for node in graph.nodes)
    assert f"weight {weights:,} bits; " in lines[-2]
    assert lines[-2].endswith(" bits in all")


def test_convert_json_and_a_file_of_classes(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\nfrog\n")
    output = tmp_path / "m.npz"
    assert main(["convert", str(checkpoint), "--net", NET, "-o", str(output), "--classes", str(names), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    document = json.loads(captured.out)
    graph = intinfer.load(output).graph
    assert graph.classes == ("cat", "dog", "frog")
    assert document["model"] == str(output)
    assert [node["name"] for node in document["nodes"]] == [node.name for node in graph.nodes]
    assert document["nodes"][0]["source"] == list(graph.nodes[0].source)


def test_convert_refuses(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, output = str(checkpoint), str(tmp_path / "m.npz")
    onnx = tmp_path / "net.onnx"
    onnx.touch()
    empty, broken = tmp_path / "empty.txt", tmp_path / "latin1.txt"
    empty.touch()
    broken.write_bytes(b"caf\xe9\n")
    twice = [source, "--net", NET, "-o", output, "--classes"]
    for arguments, message in [
        (
            [str(onnx), "--net", NET, "-o", output],
            f"{onnx}: holds its network itself; leave --net and --factory out",
        ),
        (
            [str(empty), "--net", NET, "-o", output],
            f"{empty}: unknown file type '.txt'; known are .onnx, .pt2, .pt, .pth, .th, .safetensors",
        ),
        (
            [source, "-o", output],
            f"{source}: holds parameters, not a network: give --net NAME:ARGS of ours, or --factory pkg.mod:function "
            "of yours; or export it (torch.onnx.export, torch.export.save)",
        ),
        ([str(tmp_path / "no.pt"), "--net", NET, "-o", output], f"{tmp_path / 'no.pt'}: no such file"),
        (
            [source, "--net", NET, "-o", str(tmp_path / "m.bin")],
            f"{tmp_path / 'm.bin'}: a model is an .npz file; give the output such a name",
        ),
        (
            [source, "--net", NET, "-o", str(tmp_path / "no" / "m.npz")],
            f"{tmp_path / 'no' / 'm.npz'}: the folder {tmp_path / 'no'} does not exist; create it first",
        ),
        ([*twice, "a,b"], f"{source}: 2 class names for 3 outputs"),
        ([*twice, "a,b,a"], "a,b,a: has 'a' twice; class names are all different and not empty"),
        ([*twice, "a,,b"], "a,,b: has an empty name; class names are all different and not empty"),
        ([*twice, str(empty)], f"{empty}: has no names; class names are all different and not empty"),
        ([*twice, str(broken)], f"{broken}: is not UTF-8 text; give one class name a line"),
        (
            [*twice, "names.text"],
            "names.text: no such file; --classes takes a file with one class name a line, or a list a,b,c",
        ),
    ]:
        assert refusal(["convert", *arguments], capsys) == message
    message = refusal(["convert", source, "--net", NET.replace("n=4", "n=8"), "-o", output], capsys)
    assert message.startswith(f"{source}: was trained with n=4, --net ")
    assert message.endswith(
        " says otherwise; give --net mognet:n=4,g=1,k=2,classes=3,height=8,width=8,layout=1m,pool=1,last_bits=1"
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty.txt", "latin1.txt", "net.onnx"]


def test_train_convert_run_and_eval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_set, test_set, out = data(tmp_path / "train.npz"), data(tmp_path / "test.npz", 6), str(tmp_path / "net.pt")
    line = ["train", "--net", NET, "--data", train_set, "--test", test_set, "-o", out]
    assert main([*line, "--epochs", "1,1,2", "--batch", "4", "--lr", "0.002", "--seed", "3", "--json"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["checkpoint"] == out
    assert report["images"] == 6
    stages = [text.split()[2] for text in captured.err.splitlines() if text.startswith("epoch")]
    assert stages == ["float", "weights", "full", "full"]
    model = str(tmp_path / "m.npz")
    assert main(["convert", out, "--net", NET, "-o", model, "--classes", "x,y,z"]) == 0
    image = str(write_png(tmp_path / "a.png", np.full((3, 8, 8), 9)))
    capsys.readouterr()
    assert main(["run", model, image, "--json"]) == 0
    assert {top["name"] for top in json.loads(capsys.readouterr().out)["images"][0]["top"]} == {"x", "y", "z"}
    assert main(["eval", model, test_set, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 6
    assert not list(tmp_path.glob("*.resume*"))


def test_train_on_class_folders_with_chosen_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(5)
    for name in ("train/a", "train/b", "train/c", "test/a", "test/b", "test/c"):
        (tmp_path / name).mkdir(parents=True)
        for index in range(2):
            write_png(tmp_path / name / f"{index}.png", rng.integers(0, 256, (3, 8, 8)))
    line = ["train", "--net", NET, "--data", str(tmp_path / "train"), "--test", str(tmp_path / "test")]
    line += ["-o", str(tmp_path / "net.pt"), "--stages", "weights,full", "--batch", "3"]
    assert main([*line, "--epochs", "1,1"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"wrote {tmp_path / 'net.pt'}: ")
    assert captured.out.endswith(" of 6 test images correct\n")
    assert captured.err.endswith("intinfer: to name the classes: intinfer convert --classes a,b,c\n")
    assert refusal([*line, "--epochs", "1"], capsys) == (
        "--epochs has 1 numbers for the 2 stages weights,full; give one a stage"
    )
    (tmp_path / "test" / "c").rename(tmp_path / "test" / "d")
    assert refusal([*line, "--epochs", "1,1"], capsys) == (
        f"{tmp_path / 'test'}: unknown class 'd'; no folder for class 'c'; folder names must be the model's class names"
    )
    (tmp_path / "train" / "d").mkdir()
    assert refusal([*line, "--epochs", "1,1"], capsys) == (
        f"{tmp_path / 'train'}: 4 class folders, --net has classes=3; make them equal"
    )


def test_train_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_set = data(tmp_path / "train.npz")
    line = ["train", "--net", NET, "--data", train_set, "--test", train_set, "-o"]
    out = str(tmp_path / "net.bin")
    assert refusal([*line, out, "--batch", "4"], capsys) == (
        f"{out}: a checkpoint is a .pt or a .safetensors file; give the output one of these names"
    )
    out = str(tmp_path / "net.pt")
    assert refusal([*line, out, "--lr", "-1"], capsys) == ("learning_rate=-1.0 is not positive; the papers use 0.001")
    assert refusal([*line, out, "--stages", "full,float"], capsys) == (
        "train: argument --stages: 'full,float' is not a list of stages in order; write some of float,weights,full; "
        "see intinfer train --help"
    )
    assert refusal([*line, out, "--epochs", "1,x"], capsys) == (
        "train: argument --epochs: 'x' is not a whole number of at least 1; see intinfer train --help"
    )
    wide = NET.replace("width=8", "width=16")
    assert refusal(["train", "--net", wide, "--data", train_set, "--test", train_set, "-o", out], capsys) == (
        f"{train_set}: images are uint8 (12, 8, 8, 3), uint8 (N, 8, 16, 3) is needed"
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["train.npz"]


def test_train_from_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run begins where the first ended: at a vanishing learning rate the proxies stay what they were."""
    from intinfer_converters.nets import build

    train_set = data(tmp_path / "train.npz")
    line = ["train", "--net", NET, "--data", train_set, "--test", train_set, "--batch", "4", "--stages", "full"]
    first, second = str(tmp_path / "a.pt"), str(tmp_path / "b.pt")
    assert main([*line, "--epochs", "2", "-o", first]) == 0
    assert main([*line, "--epochs", "1", "--lr", "1e-12", "--from", first, "-o", second]) == 0
    a, b = (torch.load(path, weights_only=True) for path in (first, second))
    fresh = build(NET).state_dict()
    weights = [key for key in a if key.endswith(".weight") and a[key].ndim == 4]
    assert weights
    for key in weights:
        torch.testing.assert_close(b[key], a[key], atol=1e-6, rtol=0)
        assert not torch.allclose(fresh[key], a[key], atol=1e-3)
    capsys.readouterr()
    missing = str(tmp_path / "no.pt")
    assert refusal([*line, "--from", missing, "-o", second], capsys) == f"{missing}: no such file"
