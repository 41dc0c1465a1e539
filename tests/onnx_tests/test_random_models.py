"""Random quantised ONNX networks: the converted graph's integers are those of the definitions, at every quantiser."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from intinfer import Model
from intinfer_converters.lower import lower
from intinfer_converters.preprocess import Preprocess
from intinfer_converters.read_onnx import read_onnx
from onnx_tests import exact
from onnx_tests.floats import nearest
from onnx_tests.random_models import DOMAINS, ROUNDING_MODES, random_model

IMAGES = 2
SEEDS = st.integers(0, 2**32 - 1)


def image_of(model, bounds, seed):
    """One image with both ends of its range in it."""
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    image = np.random.default_rng(seed).integers(bounds[0], bounds[1] + 1, shape)
    image.flat[0], image.flat[-1] = bounds
    return image


def real_values(graph, results):
    """Output name -> exact real numbers, flat."""
    real = {}
    for output in graph.outputs:
        z = results[output.name][0]
        inner = z.size // z.shape[0]
        scale, offset = (
            [n for n in numbers for _ in range(inner)] if len(numbers) > 1 else list(numbers) * z.size
            for numbers in (output.scale, output.offset)
        )
        real[output.name] = [s * int(q) + o for q, s, o in zip(z.reshape(-1), scale, offset, strict=True)]
    return real


def assert_equal(seed: int, engines: tuple[str, ...] = ("reference",)) -> None:
    model, bounds = random_model(Random(seed))
    graph = lower(read_onnx(model, pixels=Preprocess(*bounds)).net)
    runner = Model(graph)
    for number in range(IMAGES):
        image = image_of(model, bounds, seed + number)
        due = exact.run(model, {"x": image})
        for engine in engines:
            pixels = image.reshape(1, *graph.inputs[0].shape)
            results = runner.run(pixels, engine=engine)
            named = results if isinstance(results, dict) else {graph.outputs[0].name: results}
            for name, values in real_values(graph, named).items():
                assert values == list(due[name].real.reshape(-1)), (engine, name)


@settings(max_examples=200)
@given(SEEDS)
def test_random_models_are_exact(seed):
    assert_equal(seed)


@pytest.mark.slow
@settings(max_examples=3000)
@given(SEEDS)
def test_many_random_models_are_exact(seed):
    assert_equal(seed)


@pytest.mark.slow
@settings(max_examples=200)
@given(SEEDS)
def test_both_engines_run_random_models_exactly(seed):
    assert_equal(seed, ("reference", "fast"))


def test_the_models_hold_what_they_promise():
    """Every operator, domain, rounding mode, sign of gamma, kind of zero point and shape of scale; and many ties."""
    drawn: Counter[str] = Counter()
    for seed in range(300):
        model, bounds = random_model(Random(seed))
        known = exact.run(model, {"x": image_of(model, bounds, seed)})
        for node in model.graph.node:
            drawn[node.op_type] += 1
            drawn[node.domain] += 1
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            drawn[attributes.get("rounding_mode", b"none").decode()] += 1
            drawn["asymmetric"] += len(set(attributes.get("pads", ()))) > 1
            drawn["dilated"] += 2 in attributes.get("dilations", ())
            drawn["grouped"] += attributes.get("group", 1) > 1
            if node.op_type == "BatchNormalization":
                drawn["negative gamma"] += any(g < 0 for g in known[node.input[1]].real)
            if node.op_type == "QuantizeLinear":
                drawn["odd zero point"] += int(known[node.input[2]].real) % 2
            if node.op_type in ("Quant", "IntQuant", "QuantizeLinear") and not known[node.input[0]].fixed:
                x, scale = known[node.input[0]], known[node.input[1]]
                drawn["per channel"] += scale.real.size > 1
                quotients = exact.elementwise(lambda v, s: nearest(v / s) % 1, x.machine, scale.machine)
                drawn["ties"] += int((quotients == Fraction(1, 2)).sum())
    wanted = {*exact.OPERATORS, *ROUNDING_MODES, *DOMAINS, "none", "asymmetric", "dilated", "grouped"}
    wanted |= {"negative gamma", "odd zero point", "per channel"}
    assert not [name for name in wanted if drawn[name] < 3]
    assert drawn["ties"] > 500


@pytest.mark.parametrize("wrong", ["ROUND", "HALF_UP", "HALF_DOWN", "UP", "CEIL"])
def test_another_rounding_would_be_seen(wrong, monkeypatch):
    """The comparison fails when the oracle rounds one mode as FLOOR does."""
    monkeypatch.setitem(exact.ROUNDING, wrong, exact.ROUNDING["FLOOR"])
    seen = 0
    for seed in range(80):
        try:
            assert_equal(seed)
        except AssertionError:
            seen += 1
    assert seen >= 1
