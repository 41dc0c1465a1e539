"""Sets of regions: each whole, on the images' values and directed stimuli; killed between and inside sets."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from golden_sets import NoCheck, block_graph, bytes_of, images, meaning, read_memh, unfolded

import intinfer
from intinfer import reference
from intinfer.errors import DataError
from intinfer_golden.describe.names import file_stem
from intinfer_golden.describe.regions import each_chain, each_node, isolate
from intinfer_golden.make import isolated, journal, run
from intinfer_golden.make.isolated import write_isolated

GRAPH = block_graph()
IMAGES = images(2)
TRACE = reference.trace(GRAPH, IMAGES)
NODES = ["Conv/1", "select", "dw", "mux"]
FOLDS = {"": 2, "image": 3, "fc": 4}


def write(target: Path, **options: Any) -> dict[str, Any]:
    given = {"images": IMAGES, "rounds": 1, "formats": ["memh"], "fold": FOLDS, "seed": 5, "masks": True, **options}
    regions = given.pop("regions", None) or each_node(GRAPH, NODES)
    with patch("intinfer_golden.make.run.CrossCheck", NoCheck):
        return write_isolated(intinfer.Model(GRAPH), regions, target, **given)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("isolated") / "t"
    write(target)
    return target


def test_the_index_lists_every_set(sets: Path) -> None:
    index = json.loads((sets / "index.json").read_text("ascii"))
    assert (index["format"], index["version"]) == ("intinfer-golden-index", 2)
    assert [entry["name"] for entry in index["sets"]] == NODES
    assert sorted(path.name for path in sets.iterdir()) == sorted(["index.json", *map(file_stem, NODES)])
    for entry in index["sets"]:
        folder = sets / entry["path"]
        assert entry["path"] == file_stem(entry["name"])
        document = json.loads((folder / "manifest.json").read_text("ascii"))
        assert document["region"] == {"name": entry["name"], "nodes": entry["nodes"]}
        assert (document["mode"], document["images"], document["seed"]) == ("isolated", entry["frames"], 5)
        assert document["rounds"] in (0, 1)
        assert len(document["frames"]) == entry["frames"] > 2
        assert document["frames"][:4] == [
            "tells faults of one frame",
            "tells faults of one frame, the other way",
            "image 0",
            "image 1",
        ]
        coverage = json.loads((folder / "coverage.json").read_text("utf-8"))
        assert entry["coverage"] == coverage["total"]
        assert entry["coverage"]["hit"] > 0
        assert entry["coverage"]["open"] == 0, entry["name"]
        assert {"coverage.txt", "coverage.html", "bench"} <= {path.name for path in folder.iterdir()}


def test_every_set_is_what_the_region_computes(sets: Path) -> None:
    for region in each_node(GRAPH, NODES):
        folder = sets / file_stem(region.name)
        items = json.loads((folder / "manifest.json").read_text("ascii"))["tensors"]
        values = {}
        for item in items:
            if item["attribute"] is None and item["role"] != "demand_mask":
                words = read_memh(folder / item["files"][0]["path"], item["word_bits"])
                flat = np.array([meaning(code, item) for code in unfolded(words, item)])
                extents = dict(zip(item["axes"], item["shape"], strict=True))
                shaped = flat.reshape([extents[axis] for axis in item["order"]])
                values[item["node"]] = shaped.transpose([item["order"].index(axis) for axis in item["axes"]])
        inputs = {value.name: values[value.name] for value in region.graph.inputs}
        for name, array in inputs.items():
            assert np.array_equal(array[2:4], TRACE[name])
        for name, array in reference.trace(region.graph, inputs).items():
            assert np.array_equal(array, values[name])


def test_layers_get_masks_and_others_none(sets: Path) -> None:
    for node, ports in [("dw", ["s0", "d0", "m0"]), ("select", ["s0", "m0"]), ("mux", ["s0", "s1", "s2", "m0"])]:
        document = json.loads((sets / node / "manifest.json").read_text("ascii"))
        assert [port["port"] for port in document["ports"]] == [f"{port}_axis" for port in ports]
    words = read_memh(sets / "dw" / "demand" / "dw.memh", 4)
    assert words[:2] == [0b1111] * 2  # of images
    assert {0, 0b1111} < set(words)


def test_without_images_and_in_chains(tmp_path: Path) -> None:
    regions = [*each_chain(GRAPH, ["Conv/1"]), isolate(GRAPH, ["shuffle", "requant"], "s*")]
    index = write(tmp_path / "t", regions=regions, images=None, masks=False, formats=["npy"])
    assert [entry["path"] for entry in index["sets"]] == ["%43onv%2f1", "s%2a"]
    assert [entry["nodes"] for entry in index["sets"]] == [["Conv/1"], ["shuffle", "requant"]]
    document = json.loads((tmp_path / "t" / "s%2a" / "manifest.json").read_text("ascii"))
    assert not any(label.startswith("image") for label in document["frames"])
    assert not (tmp_path / "t" / "s%2a" / "bench").exists()  # which reads memh


class Killed(BaseException):
    pass


def dying_after(number: int) -> Callable[[int], None]:
    """A progress that ends the run after so many sets."""

    def progress(done: int) -> None:
        if done == number:
            raise Killed

    return progress


def dying_in(finish: Callable[[run._Run], None], number: int) -> Callable[[run._Run], None]:
    """The end of a set's making, which ends the run in set `number` counted from 0."""

    def dying(self: run._Run) -> None:
        assert self._job.region is not None
        if self._job.region["name"] == NODES[number]:
            raise Killed
        finish(self)

    return dying


@pytest.mark.parametrize("inside", [False, True])
def test_killed_between_and_inside_sets(
    tmp_path: Path, sets: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    target, partial = tmp_path / "t", tmp_path / "t.partial"
    finish = run._Run.finish
    for number in (1, 3):  # sets that are whole at the kill
        with monkeypatch.context() as patched:
            if inside:
                patched.setattr(run._Run, "finish", dying_in(finish, number))
            with pytest.raises(Killed):
                write(target, resume=True, progress=None if inside else dying_after(number))
        kept = journal.read(partial)
        assert kept is not None
        assert kept.images == number
        (partial / file_stem(NODES[0]) / "journal.json").write_text("{}")  # a kill just after the set was renamed
    with pytest.raises(DataError, match=r"t\.partial: is there already, .* go on with it by --resume"):
        write(target)
    message = f"{partial}: was begun with another set of options; repeat the command that began it with --resume, or"
    with pytest.raises(DataError, match=f"^{re.escape(message)}"):
        write(target, resume=True, seed=6)
    seen: list[int] = []
    index = write(target, resume=True, progress=seen.append)
    assert seen == [3, 4]
    assert index == json.loads((sets / "index.json").read_text("ascii"))
    assert bytes_of(target) == bytes_of(sets)


def test_sets_do_not_depend_on_how_many_are_made_at_a_time(tmp_path: Path, sets: Path) -> None:
    seen: list[int] = []
    names = ["select", "mux"]
    index = write(tmp_path / "t", regions=each_node(GRAPH, names), jobs=2, progress=seen.append)
    assert seen == [0, 1, 2]
    assert [entry["name"] for entry in index["sets"]] == names
    for name in map(file_stem, names):
        assert bytes_of(tmp_path / "t" / name) == bytes_of(sets / name)


class Breaking(Executor):
    """Its second task ends its process."""

    def __init__(self) -> None:
        self._made = 0

    def submit(self, task: Any, /, *arguments: Any) -> Any:
        future: Future[None] = Future()
        self._made += 1
        if self._made == 1:
            future.set_result(task(*arguments))
        else:
            future.set_exception(BrokenProcessPool("ended"))
        return future


def test_a_process_that_ends_early_is_named_and_its_set_made_again(
    tmp_path: Path, sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(count: int, begin: Callable[..., object], *arguments: Any) -> AbstractContextManager[Breaking]:
        begin(*arguments)
        return nullcontext(Breaking())

    monkeypatch.setattr(isolated, "workers", breaking)
    with (
        patch("intinfer_golden.make.run.CrossCheck", NoCheck),
        pytest.raises(ChildProcessError, match=r"one of 3 processes .* go on with --resume and fewer --jobs; a script"),
    ):
        write(tmp_path / "t", jobs=3)
    assert (tmp_path / "t.partial" / file_stem(NODES[0]) / "manifest.json").is_file()
    write(tmp_path / "t", jobs=1, resume=True)
    assert bytes_of(tmp_path / "t") == bytes_of(sets)


@pytest.mark.skipif(os.name != "posix", reason="folders are not held there")
def test_what_another_process_makes_is_left_to_it(tmp_path: Path, sets: Path) -> None:
    target = tmp_path / "t"

    def other(done: int) -> None:
        if done == 1:
            with pytest.raises(
                DataError, match=r"t\.partial: another process makes it just now; wait for it, or end it"
            ):
                write(target, resume=True)

    write(target, progress=other)
    assert bytes_of(target) == bytes_of(sets)


def test_refusals_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = 2 * sum(TRACE[name][0].size for name in ("image", "act", "select", "dw", "ca"))  # a byte each
    monkeypatch.setattr(isolated, "GIVEN_BYTES", held - 1)
    cases: list[tuple[dict[str, Any], str]] = [
        (
            {},
            f"2 images have {held} bytes of values at the inputs of 4 regions, more than {held - 1}; give fewer "
            "images, or fewer nodes",
        ),
        ({"fold": {"acts": 2}}, "the model has no node 'acts'; close names: act"),
        ({"formats": ["hex"]}, "format 'hex' is unknown; there are memh, mem, coe, xmif, mif, bin, npy"),
    ]
    for options, message in cases:
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            write(tmp_path / "t", **options)
    with pytest.raises(DataError, match=r"^there are no regions; isolated vectors need at least one$"):
        write_isolated(intinfer.Model(GRAPH), [], tmp_path / "t")
    assert list(tmp_path.iterdir()) == []
