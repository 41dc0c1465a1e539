"""Dumps of several sets: found by folder and by node, in the order of the index; dumps of another node; JUnit XML."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from golden_sets import block_graph, images, write_unchecked

from intinfer import reference
from intinfer.errors import DataError
from intinfer_golden import verify
from intinfer_golden.describe.names import file_stem
from intinfer_golden.describe.regions import isolate
from intinfer_golden.verification.dumps.waveform import Stream
from intinfer_golden.verification.report import describe, junit_xml

GRAPH = block_graph()
TRACE = reference.trace(GRAPH, images())
REGIONS = {"Conv/1": ["Conv/1"], "act": ["act"], "tail": ["shuffle", "requant"], "dw": ["dw"]}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets") / "sets"
    folder.mkdir()
    entries = []
    for name, nodes in REGIONS.items():
        region = isolate(GRAPH, nodes, name)
        inputs = {value.name: TRACE[value.name] for value in region.graph.inputs}
        write_unchecked(region.graph, inputs, folder / file_stem(name), region=region, formats=["npy"])
        entries.append({"name": name, "path": file_stem(name), "nodes": nodes, "frames": 3, "coverage": {}})
    document = {"format": "intinfer-golden-index", "version": 2, "sets": entries}
    (folder / "index.json").write_text(json.dumps(document))
    return folder


def dump(path: Path, node: str, change: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = TRACE[node].transpose(0, 2, 3, 1).reshape(-1) ^ change
    path.write_text("".join(f"{value}\n" for value in values.tolist()))
    return path


def refusal(folder: Path, path: Path, node: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        verify(folder, [path], node=node)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_files_of_the_sets_are_found_by_their_folders(index: Path) -> None:
    files = sorted(index.glob("*/values/*.npy"))
    assert len(files) == 9
    outcome = verify(index, files)
    assert outcome.equal
    assert [comparison.name for comparison in outcome.comparisons] == [
        *("Conv/1/image", "Conv/1/Conv/1", "act/Conv/1", "act/act"),
        *("tail/mux", "tail/shuffle", "tail/requant", "dw/act", "dw/dw"),
    ]
    assert outcome.without_dump == ()


def test_dumps_are_found_by_the_node_that_a_set_computes(index: Path, tmp_path: Path) -> None:
    names = ["dw.txt", "act.txt", "requant.txt", "%43onv%2f1.txt"]
    nodes = ["dw", "act", "requant", "Conv/1"]
    outcome = verify(index, [dump(tmp_path / name, node) for name, node in zip(names, nodes, strict=True)])
    assert outcome.equal
    assert [(one.set, one.node) for one in outcome.comparisons] == [
        *(("Conv/1", "Conv/1"), ("act", "act"), ("tail", "requant"), ("dw", "dw")),
    ]
    assert outcome.without_dump == ("tail/shuffle",)
    other = verify(index, [dump(tmp_path / "out.txt", "requant", 1)], node="requant")
    assert describe(other.comparisons[0])[0].startswith(f"{tmp_path / 'out.txt'}: node tail/requant: DIFFERENT, ")
    assert other.without_dump == ("Conv/1/Conv/1", "act/act", "tail/shuffle", "dw/dw")


def test_the_folder_of_a_dump_comes_first(index: Path, tmp_path: Path) -> None:
    (comparison,) = verify(index, [dump(tmp_path / "dw" / "sim" / "act.txt", "act")]).comparisons
    assert (comparison.set, comparison.node, comparison.equal) == ("dw", "act", True)
    alone = verify(index / "dw", [dump(tmp_path / "dw.txt", "dw")])
    assert (alone.comparisons[0].set, alone.equal, alone.without_dump) == (None, True, ())
    # a folder that has the name of a set by chance
    (other,) = verify(index, [dump(tmp_path / "dw" / "requant.txt", "requant")]).comparisons
    assert (other.set, other.equal) == ("tail", True)
    (named,) = verify(index, [dump(tmp_path / "dw" / "sim" / "out.txt", "act")], node="act").comparisons
    assert (named.set, named.equal) == ("dw", True)


def test_a_stream_is_of_the_set_that_its_folder_or_the_directory_says(index: Path, tmp_path: Path) -> None:
    values = TRACE["dw"].transpose(0, 2, 3, 1).reshape(-1).tolist()
    steps = "".join(
        f"#{10 * i + 1}\nb{value % 256:b} d\n#{10 * i + 5}\n1!\n#{10 * i + 9}\n0!\n" for i, value in enumerate(values)
    )
    names = {"8 d": "m0_axis_tdata [7:0]", "1 !": "clk", "1 v": "m0_axis_tvalid", "1 r": "m0_axis_tready"}
    head = "".join(f"$var wire {size} {name} $end\n" for size, name in names.items())
    text = f"$scope module tb $end\n{head}$upscope $end\n$enddefinitions $end\n#0\n0!\n1v\n1r\n{steps}"
    for folder, directory, name in [("dw", index, "dw/dw"), ("sim", index / "dw", "dw")]:
        path = tmp_path / folder / "sim.vcd"
        path.parent.mkdir()
        path.write_text(text)
        (comparison,) = verify(directory, [path], stream=Stream("tb.m0_axis")).comparisons
        assert (comparison.name, comparison.equal) == (name, True)
    with pytest.raises(DataError) as caught:
        verify(index, [tmp_path / "sim" / "sim.vcd"], stream=Stream("tb.m0_axis"))
    assert str(caught.value) == (
        f"{path}: 4 sets of {index} may have a port 'm0_axis'; give one of them, such as "
        f"{index / '%43onv%2f1'}, or the node with --node"
    )
    (comparison,) = verify(index, [path], stream=Stream("tb.m0_axis"), node="dw").comparisons
    assert comparison.equal


def test_dumps_of_no_set_or_of_several(index: Path, tmp_path: Path) -> None:
    path = dump(tmp_path / "mux.txt", "mux")  # an input of a set, computed by none
    assert refusal(index, path).startswith(f"{path}: no set of {index} has the file name 'mux'; close names: ")
    assert refusal(index, path, "requanted") == (
        f"{path}: no set of {index} has node 'requanted'; close names: requant; or put the dump in a folder named as "
        "its set"
    )
    copy = tmp_path / "copy"
    shutil.copytree(index, copy)
    document = json.loads((copy / "index.json").read_text())
    document["sets"].append(document["sets"][-1] | {"name": "again", "path": "act"})
    (copy / "index.json").write_text(json.dumps(document))
    assert refusal(copy, path, "dw") == (
        f"{path}: 2 sets have node 'dw'; put the dump in a folder named dw (or act), or give {copy / 'dw'} in place "
        f"of {copy}"
    )


def test_an_index_that_is_damaged(index: Path, tmp_path: Path) -> None:
    whole = json.loads((index / "index.json").read_text())
    path = tmp_path / "index.json"
    for text, message in [
        ("{", "is not JSON; make the vectors again with intinfer golden"),
        ("[]", "is no index of golden vectors; give a folder that intinfer golden made"),
        (json.dumps(whole | {"version": 1}), "has version 1, this intinfer reads 2"),
        (json.dumps(whole | {"sets": []}), "is damaged (ValueError: "),
        (json.dumps(whole | {"sets": [{"name": "a", "path": "../a", "nodes": []}]}), "is damaged (ValueError: "),
        (json.dumps(whole | {"sets": [{"name": "a", "path": "..", "nodes": []}]}), "is damaged (ValueError: "),
        (json.dumps(whole | {"sets": [{"name": "a"}]}), "is damaged (KeyError: "),
    ]:
        path.write_text(text)
        assert refusal(tmp_path, tmp_path / "act.txt").startswith(f"{path}: {message}")


# ------------------------------------------------------------------------------------------------------- other nodes


def test_the_values_of_another_node(tmp_path: Path) -> None:
    for fold, formats in ((1, ["npy"]), (3, ["memh"])):
        vectors = write_unchecked(GRAPH, images(), tmp_path / f"set{fold}", fold=fold, formats=formats)
        for stands, named in [("dw", "act"), ("act", "Conv/1"), ("mux", "requant")]:
            (file,) = (vectors / "values").glob(f"{file_stem(stands)}.*")
            (comparison,) = verify(vectors, [file], node=named, full=True).comparisons
            assert comparison.hints == (f"node: these are the values of node {stands}",), (stands, named)
    changed = np.load(tmp_path / "set1" / "values" / "dw.npy")
    asked = np.load(tmp_path / "set1" / "demand" / "dw.npy")
    changed[asked[:, None, None, :].repeat(4, 1).repeat(5, 2) == 0] += 1

    def told() -> tuple[str, ...]:
        np.save(tmp_path / "changed.npy", changed)
        (comparison,) = verify(tmp_path / "set1", [tmp_path / "changed.npy"], node="act", full=True).comparisons
        return comparison.hints

    assert told() == ("node: where they are demanded, these are the values of node dw",)
    changed[tuple(np.argwhere(asked[:, None, None, :].repeat(4, 1).repeat(5, 2))[7])] += 1
    assert told() == ()


# -------------------------------------------------------------------------------------------------------------- JUnit


def check_junit(data: bytes) -> ElementTree.Element:
    """What Jenkins, GitLab and GitHub's reporters read: testsuites > testsuite > testcase > failure or skipped."""
    root = ElementTree.fromstring(data)
    assert root.tag == "testsuites"
    assert [child.tag for child in root] == ["testsuite"]
    suite = root[0]
    assert set(suite.attrib) == {"name", "tests", "failures", "errors", "skipped"}
    cases = list(suite)
    assert all(case.tag == "testcase" and case.attrib.keys() == {"classname", "name"} for case in cases)
    inside = [child for case in cases for child in case]
    assert {child.tag for child in inside} <= {"failure", "skipped"}
    assert max(len(case) for case in cases) <= 1
    counts = {tag: sum(child.tag == tag for child in inside) for tag in ("failure", "skipped")}
    for element in (root, suite):
        assert element.attrib["tests"] == str(len(cases))
        assert (element.attrib["failures"], element.attrib["skipped"]) == (
            str(counts["failure"]),
            str(counts["skipped"]),
        )
    return suite


def test_junit_has_a_case_a_dump_and_a_skipped_one_a_node(index: Path, tmp_path: Path) -> None:
    good, bad = dump(tmp_path / "act.txt", "act"), dump(tmp_path / "dw.txt", "dw", 1)
    suite = check_junit(junit_xml(verify(index, [bad, good])))
    cases = [(case.attrib["classname"], case.attrib["name"], [child.tag for child in case]) for case in suite]
    assert cases == [
        ("act/act", str(good), []),
        ("dw/dw", str(bad), ["failure"]),
        ("Conv/1/Conv/1", "no dump", ["skipped"]),
        ("tail/shuffle", "no dump", ["skipped"]),
        ("tail/requant", "no dump", ["skipped"]),
    ]
    failure = suite[1][0]
    assert failure.attrib["type"] == "difference"
    assert failure.attrib["message"].startswith("n=0 c=0 y=0 x=0 (word 0, line 1): expected ")
    assert suite[2][0].attrib == {"message": "no dump was given"}
