"""Benches of streams whose elements stand in slots, and from the high end: every bit of a beat is some element's."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from golden_benches import GATED, HEAD, PORT, WIRES, identity, port_bits, wires
from golden_sets import write_unchecked
from rtl.simulate import bench
from tools import needs_cocotb, needs_icarus

from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.ops import Conv2d
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from intinfer_golden import WordOptions
from intinfer_golden.make.frames import Stimulus

IMAGES = np.array([[[[-3, 2]], [[1, -1]], [[0, 3]], [[2, -4]], [[-2, 1]]]])
"""One frame of five channels by two pixels, 3 bits signed."""
OPTIONS = {
    "high": (WordOptions(element0="high"), 3),
    "bytes": (WordOptions(pad_elements=8), 8),
    "high bytes": (WordOptions(element0="high", pad_elements=8, zero=True), 8),
}


@needs_icarus
@pytest.mark.parametrize("case", OPTIONS)
def test_every_bit_is_reported_at_its_element(case: str, tmp_path: Path) -> None:
    """Three elements a beat: c = 0, 1, 2, then 3, 4 and an unused lane."""
    options, slot = OPTIONS[case]
    graph = identity((5, 1, 2), IntType(-4, 3))
    directory = write_unchecked(graph, IMAGES, tmp_path / "set", formats=("memh",), fold=3, words=options)
    (tmp_path / "dut.sv").write_text(wires(port_bits(directory)))
    with bench(directory, [tmp_path / "dut.sv"], repeat=1) as run:
        assert run("always").passed
        for beat, bit in ((beat, bit) for beat in (2, 3) for bit in range(0, 3 * slot, 1 if slot == 3 else 3)):
            result = run("always", 1, "+resets=0", f"+beat={beat}", f"+bit={bit}")
            lane = bit // slot if options.element0 == "low" else 2 - bit // slot
            channel = 3 * (beat - 2) + lane
            assert "FAIL: 1 errors" in result.output
            (error,) = re.findall(r"ERROR: m0_axis: (.*); beat", result.output)
            if channel == 5:
                assert error.startswith("lane 2 is unused and must be 0, actual 0x")
                continue
            value = int(IMAGES[0, channel, 0, 1])
            code = value % 8 if options.zero or slot == 3 else value % 256
            wrong = code ^ 1 << bit % slot
            actual = (wrong % 8 + 4) % 8 - 4
            digits = -(-slot // 4)
            values = f"expected {value} (0x{code:0{digits}x}), actual {actual} (0x{wrong:0{digits}x})"
            assert error == f"clip0 n=0 c={channel} y=0 x=1: {values}"


@needs_icarus
def test_masks_are_of_channels_wherever_these_stand(tmp_path: Path) -> None:
    builder = GraphBuilder()
    x = builder.input("x", (3, 2, 2), IntType(-7, 7))
    op = Conv2d(
        IntTensor(np.ones((3, 1, 1, 1), int), "binary"), (1, 1), (0,) * 4, (0,), (1, 1), 3, Accumulator.prove(4)
    )
    builder.output("y", builder.add(op, x, name="dw"))
    images = np.random.default_rng(2).integers(-7, 8, (2, 3, 2, 2))
    options = {
        "formats": ("memh",),
        "fold": 3,
        "words": WordOptions(element0="high"),
    }
    stimulus = Stimulus({"x": images}, masks={"dw": np.array([[1, 0, 0], [0, 1, 1]], dtype=bool)})
    directory = write_unchecked(builder.finish(), stimulus, tmp_path / "set", **options)
    port = PORT.format(number=0, beat_bits=16)
    design = GATED.format(port=port, head=HEAD, wires=WIRES.format(number=0, condition="known"))
    (tmp_path / "dut.sv").write_text(design.replace("[4*c+:4]", "[4*(2-c)+:4]"))
    with bench(directory, [tmp_path / "dut.sv"], repeat=1) as run:
        assert run("always").passed
        for channel in range(3):
            demanded = run("always", 1, "+resets=0", f"+beat={4 * (channel > 0) + 1}", f"+bit={4 * (2 - channel)}")
            assert f"ERROR: m0_axis: dw n={int(channel > 0)} c={channel} y=0 x=1: expected" in demanded.output
            assert run("always", 1, "+resets=0", f"+beat={4 * (channel == 0) + 1}", f"+bit={4 * (2 - channel)}").passed


@needs_cocotb
def test_cocotb_finds_the_slots_as_well(tmp_path: Path) -> None:
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    words = WordOptions(element0="high", pad_elements=8)
    graph = identity((5, 1, 2), IntType(-4, 3))
    directory = write_unchecked(graph, IMAGES, tmp_path / "set", formats=("memh",), fold=3, words=words)
    (tmp_path / "dut.sv").write_text(wires(24))
    runner = get_runner("icarus")
    build = tmp_path / "build"
    runner.build(
        sources=[directory / "bench" / "adapter.sv", tmp_path / "dut.sv"], hdl_toplevel="bench_adapter", build_dir=build
    )

    def failures(beat: int, bit: int) -> tuple[int, str]:
        log, results = tmp_path / f"{bit}.log", tmp_path / f"{bit}.xml"
        with suppress(SystemExit):  # how the runner says that a test failed
            runner.test(
                hdl_toplevel="bench_adapter",
                test_module="test_dut",
                build_dir=build,
                test_dir=directory / "bench",
                plusargs=[f"+beat={beat}", f"+bit={bit}", "+watchdog=500", "+resets=0", "+repeat=1"],
                results_xml=str(results),
                log_file=log,
            )
        return get_results(results)[1], log.read_text()

    assert failures(-1, 0)[0] == 0
    for bit, channel, values in [
        (16, 0, "expected 2 (0x02), actual 3 (0x03)"),
        (10, 1, "expected -1 (0xff), actual 3 (0xfb)"),
        (15, 1, "expected -1 (0xff), actual -1 (0x7f)"),
    ]:
        count, text = failures(2, bit)
        assert count == 1
        line = next(line for line in text.splitlines() if "expected" in line)
        assert f"c={channel}" in line
        assert values in line
