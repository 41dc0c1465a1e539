"""`intinfer run`: the logits of the reference, as text and as JSON, traces, and every refusal."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers import CLASSES, tiny_graph, tiny_images, trapping_graph, two_ended_graph, write_png

import intinfer
from intinfer import reference
from intinfer.builder import GraphBuilder
from intinfer.cli import main
from intinfer.graph import Graph, ImageInput
from intinfer.ops import MaxPool
from intinfer.types import IntType

IMAGES = tiny_images(2)
LOGITS = reference.run(tiny_graph(), IMAGES)["logits"]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The model, then two images."""
    intinfer.save(tiny_graph(), tmp_path / "tiny.npz")
    images = [str(write_png(tmp_path / f"{name}.png", image)) for name, image in zip("ab", IMAGES, strict=True)]
    return [str(tmp_path / "tiny.npz"), *images]


def save(graph: Graph, tmp_path: Path) -> str:
    path = tmp_path / "model.npz"
    intinfer.save(graph, path)
    return str(path)


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["run", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("intinfer: error: ")
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("intinfer: error: ").removesuffix("\n")


def test_json_is_the_answer_and_nothing_else(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *files, "--json", "--top", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    document = json.loads(captured.out)
    assert document["model"] == files[0]
    assert [image["file"] for image in document["images"]] == files[1:]
    for image, logits in zip(document["images"], LOGITS.tolist(), strict=True):
        assert image["logits"] == logits
        order = sorted(range(4), key=lambda c: (-logits[c], c))[:2]
        assert image["top"] == [
            {
                "class": c,
                "name": CLASSES[c],
                "logit": logits[c],
                "real": float(Fraction(logits[c], 3) - Fraction(1, 2)),
            }
            for c in order
        ]


def test_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = tiny_graph()
    black = np.zeros((3, 8, 8), int)
    logits = reference.run(graph, black[None])["logits"][0].tolist()
    model, image = save(graph, tmp_path), str(write_png(tmp_path / "a.png", black))
    assert main(["run", model, image, "--top", "1"]) == 0
    # every level of a black image is 2 and every pooled sum 8: each logit is 8 times a row's sum of 24 signs
    rows = graph.node("fc").op.weight.values.sum(axis=1).tolist()  # type: ignore[attr-defined]
    assert logits == [8 * row for row in rows]
    best = logits.index(max(logits))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [image, f"  logits: {' '.join(map(str, logits))}"]
    assert [round(float(text), 3) for text in lines[2].removeprefix("  real value: ").split()] == [
        round(logit / 3 - 0.5, 3) for logit in logits
    ]
    assert lines[3].split() == ["class", "name", "logit", "real", "value"]
    assert lines[4].split()[:3] == [str(best), CLASSES[best], str(max(logits))]
    assert len(lines) == 5


def test_images_are_apart_and_classes_have_numbers_when_not_named(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save(tiny_graph(classes=()), tmp_path)
    assert main(["run", model, *files[1:]]) == 0
    first, second = capsys.readouterr().out.split("\n\n")
    assert (first.splitlines()[0], second.splitlines()[0]) == (files[1], files[2])
    assert sorted(line.split()[0] for line in first.splitlines()[4:]) == ["0", "1", "2", "3"]
    assert main(["run", model, files[1], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"][0]["top"][0]["name"] is None


def test_a_real_value_no_float_holds(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save(tiny_graph(scale=(Fraction(10**400),)), tmp_path)
    assert main(["run", model, files[1], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"][0]["top"][0]["real"] is None
    assert main(["run", model, files[1]]) == 0
    assert "e+40" in capsys.readouterr().out


def test_fit(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large = np.zeros((3, 10, 12), int)
    large[:, 1:9, 2:10] = IMAGES[0]
    image = str(write_png(tmp_path / "large.png", large))
    assert refusal([files[0], image], capsys) == (
        f"{image}: is 12x10 (width x height), the model takes 8x8; use --fit crop (no resampling) or --fit resize, "
        "or give the right size"
    )
    assert main(["run", files[0], image, "--fit", "crop", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"][0]["logits"] == LOGITS[0].tolist()
    assert main(["run", files[0], image, "--fit", "resize", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["images"][0]["logits"]) == 4


def test_nothing_is_printed_when_a_later_image_fails(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ([], ["--json"], ["--trace", str(tmp_path / "t")]):
        message = refusal([*files, str(tmp_path / "none.png"), *option], capsys)
        assert message == f"{tmp_path / 'none.png'}: no such file"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png", "tiny.npz"]


def test_a_trace_folder_in_use_is_refused_before_the_run(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal([files[0], str(tmp_path / "none.png"), "--trace", str(tmp_path)], capsys)
    assert message == f"{tmp_path}: exists and is not empty; give another name or remove it"


def test_model_that_is_missing_or_damaged(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal([str(tmp_path / "no.npz"), files[1]], capsys) == f"{tmp_path / 'no.npz'}: no such file"
    cut = tmp_path / "cut.npz"
    whole = Path(files[0]).read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        cut.write_bytes(whole[:size])
        assert refusal([str(cut), files[1]], capsys).startswith(f"{cut}: ")


def test_wrong_mode(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(write_png(tmp_path / "gray.png", IMAGES[0][:1]))
    assert refusal([files[0], image], capsys) == (
        f"{image}: has mode L (grayscale), the model takes RGB (colour, 8 bits a sample); convert it first, for "
        "example with Pillow: Image.open(FILE).convert('RGB').save('converted.png')"
    )


def test_a_model_without_image_input(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save(two_ended_graph(), tmp_path)
    assert refusal([model, files[1]], capsys) == (
        f"{model}: takes a (2, 3, 3), b (2, 3, 3), not an image; call intinfer.load(...).run from Python"
    )


def test_a_trap_names_the_image(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save(trapping_graph(), tmp_path)
    white = str(write_png(tmp_path / "white.png", np.full((3, 8, 8), 255)))
    message = refusal([model, white], capsys)
    assert message.startswith(f"{white}: node 'conv' (conv2d): accumulator of 9 bits holds -256..255 and reaches ")


def test_a_map_as_output(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    builder = GraphBuilder()
    x = builder.input("image", (3, 8, 8), IntType(0, 255))
    builder.output("map", builder.add(MaxPool((8, 4), (8, 4), (0, 0, 0, 0), (1, 1)), x, name="pool"))
    model = save(builder.finish(ImageInput("RGB")), tmp_path)
    expected = np.stack([IMAGES[0][:, :, :4].max((1, 2)), IMAGES[0][:, :, 4:].max((1, 2))], axis=1)[:, None]
    assert main(["run", model, files[1], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == [{"file": files[1], "outputs": {"map": expected.tolist()}}]
    assert main(["run", model, files[1]]) == 0
    assert capsys.readouterr().out == (
        f"{files[1]}\n  map: (3, 1, 2), {expected.min()}..{expected.max()}; --json or --trace gives the values\n"
    )


def test_trace_of_one_image(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", files[0], files[1], "--trace", str(tmp_path / "t")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "t" / "fc.npy"), LOGITS[0])
    np.testing.assert_array_equal(np.load(tmp_path / "t" / "image.npy"), IMAGES[0])
    capsys.readouterr()
    assert refusal([files[0], files[1], "--trace", str(tmp_path / "t")], capsys) == (
        f"{tmp_path / 't'}: exists and is not empty; give another name or remove it"
    )


def test_traces_of_several_images(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other").mkdir()
    same_name = str(write_png(tmp_path / "other" / "a.png", IMAGES[1]))
    assert main(["run", *files[:2], same_name, "--trace", str(tmp_path / "t"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["images"]) == 2
    assert sorted(p.name for p in (tmp_path / "t").iterdir()) == ["0000-a", "0001-a"]
    np.testing.assert_array_equal(np.load(tmp_path / "t" / "0001-a" / "fc.npy"), LOGITS[1])


def test_file_names_that_are_no_text(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = write_png(tmp_path / "odd\udcff\n.png", IMAGES[0])
    assert main(["run", files[0], str(image), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"][0]["file"] == str(image)
    assert main(["run", files[0], str(image)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{tmp_path}/odd\\udcff\\n.png"
