"""Values as words of a stream and back, regions that run, and the scoreboard of the specification, run as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_benches import wires
from golden_sets import block_graph, images, read_memh, selecting_graph, write_unchecked
from tools import needs_cocotb

import intinfer
import intinfer.spec
import intinfer_golden
from intinfer import GraphBuilder, reference
from intinfer.errors import DataError, RangeError
from intinfer.graph import Graph
from intinfer_golden import isolate
from intinfer_golden.describe import words

GRAPH = block_graph()
IMAGES = images(3)
TRACE = reference.trace(GRAPH, IMAGES)
PAGE = Path(intinfer.spec.__file__).with_name("scoreboard.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("order", "fold"), [("nhwc", 1), ("nchw", 3), ("nwhc", {"": 7, "image": 24, "act": 2})])
def test_words_are_those_of_the_files(order: str, fold: Any, tmp_path: Path) -> None:
    target = write_unchecked(GRAPH, IMAGES, tmp_path / "set", order=order, fold=fold, formats=["memh"])
    vectors = intinfer_golden.load(target)
    for name, values in TRACE.items():
        tensor = words.stream(GRAPH, name, order=order, fold=fold)
        wanted = read_memh(target / vectors.values[name].files[0].path, tensor.word_bits)
        packed = words.pack(tensor, values)
        assert packed == words.pack(vectors.values[name].tensor, values) == wanted
        assert words.pack(tensor, values[1]) == wanted[len(wanted) // 3 : 2 * len(wanted) // 3]
        assert all(type(word) is int for word in packed)
        found = words.unpack(tensor, iter(packed))
        assert found.dtype == np.int64
        assert np.array_equal(found, values)


def one(fold: int, lo: int, hi: int, shape: tuple[int, ...] = (3,)) -> Any:
    builder = GraphBuilder()
    x = builder.input("x", shape, (lo, hi))
    builder.output("y", builder.clamp(x, name="y", lo=lo, hi=hi))
    return words.stream(builder.finish(), "y", fold=fold)


def test_words_by_hand() -> None:
    tensor = one(2, -4, 3)
    assert words.pack(tensor, np.array([-1, 2, -4])) == [0b010_111, 0b000_100]
    assert words.unpack(tensor, [0b010_111, 0b000_100, 0, 0b001]).tolist() == [[-1, 2, -4], [0, 0, 1]]
    assert words.pack(one(4, 0, 2**40, (2,)), [1, 2**40]) == [2**81 + 1]
    assert words.unpack(one(4, 0, 2**40, (2,)), [2**81 + 1]).tolist() == [[1, 2**40]]


def test_what_is_no_value_or_no_word_is_refused() -> None:
    tensor = one(2, -4, 3)
    for values, message in [
        ([1, 2], "values of 'y' are int64 (2,); integers (3) or (N, 3) are needed"),
        ([0.0, 1.0, 2.0], "values of 'y' are float64 (3,); integers (3) or (N, 3) are needed"),
        ([[[0, 1, 2]]], "values of 'y' are int64 (1, 1, 3); integers (3) or (N, 3) are needed"),
    ]:
        with pytest.raises(DataError) as caught:
            words.pack(tensor, values)
        assert str(caught.value) == message
    with pytest.raises(RangeError) as outside:
        words.pack(tensor, [[0, 1, 2], [0, 4, 0]])
    assert str(outside.value) == ("value 4 of 'y' at (1, 1) is outside -4..3, which 3 bits twos_complement hold")
    for beats, message in [
        ([0, 0, 0], "3 words of 'y' are no whole frames of 2 words"),
        ([0, 64], "word 1 of 'y' is 0x40, which is not of 6 bits"),
        ([-1, 0], "word 0 of 'y' is -0x1, which is not of 6 bits"),
        ([0, 0, 0, 8], "word 3 of 'y' is 0x8: a bit is wrong that belongs to no element"),
    ]:
        with pytest.raises(DataError) as caught:
            words.unpack(tensor, beats)
        assert str(caught.value) == message
    with pytest.raises(DataError, match=r"^the graph has no value 'muxx'; it has image, Conv/1, "):
        words.stream(GRAPH, "muxx")


def test_a_region_runs() -> None:
    region = isolate(GRAPH, ["act", "dw", "ca", "select"])
    found = region.run(TRACE["Conv/1"])
    assert set(found) == {"dw", "ca", "select"}
    assert all(np.array_equal(values, TRACE[name]) for name, values in found.items())
    single = isolate(GRAPH, ["mux"])
    inputs = {name: TRACE[name][2] for name in ("select", "dw", "ca")}
    (values,) = single.run(inputs).values()
    assert np.array_equal(values, TRACE["mux"][2])
    with pytest.raises(DataError, match=r"^inputs \['select'\] are given"):
        single.run({"select": TRACE["select"]})
    with pytest.raises(RangeError, match=r"^input 'select': value 2 at index \(0,\)"):
        single.run(inputs | {"select": np.array([2, 0, 0, 0])})
    assert list(isolate(selecting_graph(), ["unused"]).run(np.ones((4, 3, 3), dtype=int))) == ["unused"]


def identity() -> Graph:
    """The nodes that the page speaks of, made such that wires compute them."""
    builder = GraphBuilder()
    x = builder.input("image", (3, 2, 4), (0, 3))
    z = builder.conv2d(x, [[[[1]]]] * 3, name="conv1", encoding="s2", groups=3, pads=0, accumulator="4 prove")
    a = builder.threshold(z, [[1, 2, 3]], name="conv1.act", base=0, step=1, descending=0)
    builder.output("y", builder.flatten(a, name="flat"))
    return builder.finish()


def test_the_page_in_python(tmp_path: Path) -> None:
    """The part without a simulator, as a user runs it, in a folder with a model."""
    intinfer.save(identity(), tmp_path / "model.npz")
    check = (
        "import numpy as np\nprint(expected(np.full((3, 2, 4), 2)).tolist(), sink.word_bits, len(words.pack(source, "
    )
    check += "np.zeros((3, 2, 4), int))))"
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS[0] + check], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{[[[2] * 4] * 2] * 3} 6 8\n"


@needs_cocotb
def test_the_scoreboard_of_the_page(tmp_path: Path) -> None:
    """A right design passes, one wrong bit of a late beat and a bit above the word fail."""
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    assert len(BLOCKS) == 2
    intinfer.save(identity(), tmp_path / "model.npz")
    (tmp_path / "test_page.py").write_text("\n".join(BLOCKS))
    (tmp_path / "dut.sv").write_text(wires(8))
    runner = get_runner("icarus")
    build = {"build_dir": tmp_path / "build", "hdl_toplevel": "dut"}
    runner.build(sources=[tmp_path / "dut.sv"], timescale=("1ns", "1ps"), **build)

    def printed(*plusargs: str) -> tuple[bool, str]:
        log, results = tmp_path / "log", tmp_path / "results.xml"
        with suppress(SystemExit):  # how the runner says that a test failed
            runner.test(
                test_module="test_page",
                test_dir=tmp_path,
                plusargs=list(plusargs),
                results_xml=str(results),
                log_file=log,
                **build,
            )
        return get_results(results) == (1, 0), log.read_text()

    assert printed()[0]
    passed, text = printed("+beat=150", "+bit=2")  # frame 18, beat 6: y=1 x=2, lane 1
    assert not passed
    assert "frame 18: 1 wrong, the first at c, y, x = [1 1 2]" in text
    passed, text = printed("+beat=3", "+bit=7")
    assert not passed
    assert "word 3 of 'conv1.act' is 0x" in text
