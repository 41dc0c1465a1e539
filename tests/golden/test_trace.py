"""Traces on disk: every value, in files whose names lead back to the nodes, whole or not at all."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import tiny_graph, tiny_images, trapping_graph
from hypothesis import given
from hypothesis import strategies as st

import intinfer
from intinfer.errors import DataError, RangeError
from intinfer_golden.describe.names import MAX_STEM, file_stem, value_name
from intinfer_golden.make.trace import write_trace, write_traces

MODEL = intinfer.Model(tiny_graph())
IMAGE = tiny_images(1)[0]
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


def test_every_value_in_its_container_with_an_index(tmp_path: Path) -> None:
    target = tmp_path / "t"
    write_trace(MODEL, IMAGE, target)
    index = json.loads((target / "index.json").read_text())
    assert (index["format"], index["version"]) == ("intinfer-trace", 1)
    trace = MODEL.trace(IMAGE)
    assert [entry["name"] for entry in index["values"]] == list(trace)
    assert sorted(p.name for p in target.iterdir()) == sorted(["index.json", *(e["file"] for e in index["values"])])
    for entry in index["values"]:
        array = np.load(target / entry["file"], allow_pickle=False)
        value = MODEL.graph.values[entry["name"]]
        np.testing.assert_array_equal(array, trace[entry["name"]])
        assert array.dtype == value.type.dtype
        assert (entry["shape"], entry["lo"], entry["hi"]) == (list(value.shape), value.type.lo, value.type.hi)
        assert value_name(entry["file"].removesuffix(".npy")) == entry["name"]
    assert np.load(target / "image.npy").dtype == np.uint8
    assert {k: index["values"][2][k] for k in ("name", "file", "op", "source")} == {
        "name": "Act",
        "file": "%41ct.npy",
        "op": "threshold",
        "source": ["bn.weight", "act"],
    }
    assert (index["values"][0]["op"], index["values"][0]["source"]) == ("input", [])


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_trace(MODEL, IMAGE, tmp_path / name)
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


def test_several_images_in_sub_folders(tmp_path: Path) -> None:
    images = tiny_images(2)
    write_traces(MODEL, {"x": images[0], "y": images[1]}, tmp_path / "t")
    for name, image in (("x", images[0]), ("y", images[1])):
        np.testing.assert_array_equal(np.load(tmp_path / "t" / name / "fc.npy"), MODEL.run(image))


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    write_trace(MODEL, IMAGE, tmp_path / "t")
    assert (tmp_path / "t" / "index.json").is_file()


def test_targets_that_are_refused(tmp_path: Path) -> None:
    full, file, link = tmp_path / "full", tmp_path / "file", tmp_path / "link"
    full.mkdir()
    (full / "mine").touch()
    file.touch()
    link.symlink_to(full)
    (tmp_path / "killed.partial").mkdir()
    for target, message in [
        (full, f"{full}: exists and is not empty; give another name or remove it"),
        (file, f"{file}: exists and is not a folder; give another name"),
        (link, f"{link}: exists and is not a folder; give another name"),
        (
            tmp_path / "no" / "t",
            f"{tmp_path / 'no' / 't'}: the folder {tmp_path / 'no'} does not exist; create it first",
        ),
        (Path("."), ".: is not the name of a new folder; give one"),
        (
            tmp_path / "killed",
            f"{tmp_path / 'killed.partial'}: is there already, from a run that was killed or still goes on; "
            "remove it first",
        ),
    ]:
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            write_trace(MODEL, IMAGE, target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "full", "killed.partial", "link"]
    assert [p.name for p in full.iterdir()] == ["mine"]


def test_nothing_is_left_when_the_run_fails(tmp_path: Path) -> None:
    model = intinfer.Model(trapping_graph())
    with pytest.raises(RangeError):
        write_traces(model, {"a": np.zeros((3, 8, 8), int), "b": np.full((3, 8, 8), 255)}, tmp_path / "t")
    with pytest.raises(DataError) as caught:
        write_trace(MODEL, IMAGE[None], tmp_path / "t")
    assert str(caught.value) == "a trace is of one image, 'image' has shape (1, 3, 8, 8); leave out the batch axis"
    assert list(tmp_path.iterdir()) == []


@given(names)
def test_file_names_are_plain_and_lead_back(name: str) -> None:
    stem = file_stem(name)
    if len(stem) <= MAX_STEM and "%-" not in stem:
        assert value_name(stem) == name
    assert re.fullmatch(r"[a-z0-9_%-][a-z0-9._%-]*", stem)


@given(names, names)
def test_different_names_differ_without_case(a: str, b: str) -> None:
    assert (file_stem(a).lower() == file_stem(b).lower()) == (a == b)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("s1.n1.gcm.gc1", "s1.n1.gcm.gc1"),
        ("/features/Conv_0", "%2ffeatures%2f%43onv_0"),
        ("Act", "%41ct"),
        ("a%2fb", "a%252fb"),
        (".", "%2e"),
        ("..", "%2e."),
        ("con", "%63on"),
        ("aux.weight", "%61ux.weight"),
        ("console", "console"),
        ("é", "%c3%a9"),
    ],
)
def test_file_names_by_hand(name: str, stem: str) -> None:
    assert file_stem(name) == stem
    assert value_name(stem) == name


def test_long_names_are_shortened_and_stay_apart() -> None:
    a, b = file_stem("A" * 200), file_stem("A" * 199 + "B")
    assert len(a) == len(b) == 160 + 2 + 16
    assert a != b
    with pytest.raises(DataError) as caught:
        value_name(a)
    assert str(caught.value) == f"file name {a!r} is shortened; look the node up in the index beside it"


def test_a_stem_that_no_node_has() -> None:
    with pytest.raises(DataError) as caught:
        value_name("Conv")
    assert str(caught.value) == "file name 'Conv' is not made from a node's name; it would be '%43onv'"
