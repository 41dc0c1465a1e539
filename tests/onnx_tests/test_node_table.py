"""The node tests of ONNX: none wrong, none that was exact refused, and the table in the spec says so."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from intinfer.errors import IntinferError
from onnx_tests.node_cases import Form, NotANetworkError, forms, is_applicable, node_tests
from onnx_tests.node_table import TABLE, converted, differing, rows, table_text

FAMILIES = {
    *("add_int8", "argmax_", "averagepool_2d_", "basic_conv_", "batchnorm_", "ceil", "clip_", "concat_", "conv_with_"),
    *(
        "convinteger_",
        "depthtospace_",
        "dequantizelinear",
        "flatten_",
        "floor",
        "gather_",
        "gemm_",
        "globalaveragepool",
    ),
    *("identity", "leakyrelu", "matmul_", "matmulinteger", "max_", "maxpool_", "min_", "mul", "qlinearconv"),
    *(
        "qlinearmatmul_",
        "quantizelinear",
        "reduce_mean_",
        "reduce_sum_",
        "relu",
        "reshape_",
        "resize_",
        "round",
        "sign",
    ),
    *("slice", "spacetodepth", "split_", "squeeze", "sub_int8", "transpose_", "unsqueeze_", "upsample_", "where_"),
}


def committed() -> dict[str, str]:
    """Test -> result, of the table in the spec."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    cells = [line.split("|") for line in lines if line.startswith("| ")]
    return {"test_" + row[1].strip(): row[2].strip() for row in cells[1:]}


def of_this_version() -> bool:
    return f"of onnx {version('onnx')}." in TABLE.read_text(encoding="utf-8")


def test_no_node_test_is_wrong():
    assert not [(row.name, row.detail) for row in rows(("reference",)) if row.result == "WRONG"]


def test_every_node_test_that_was_exact_still_is():
    now = {row.name: row for row in rows(("reference",))}
    exact = [name for name, result in committed().items() if result == "exact" and name in now]
    assert len(exact) >= 280
    assert not [(name, now[name].detail) for name in exact if now[name].result != "exact"]


@pytest.mark.slow
def test_the_committed_table_is_the_generated_one():
    """With the fast engine as well."""
    if not of_this_version():
        pytest.skip("the table was made with another version of onnx")
    assert TABLE.read_text(encoding="utf-8") == table_text(), "run `make onnx-table`"


def test_every_family_is_in_the_table_and_refusals_have_a_reason():
    names = {name.removeprefix("test_") for name in committed()}
    assert not [family for family in FAMILIES if not any(name.startswith(family) for name in names)]
    assert set(committed().values()) == {"exact", "refused"}
    assert all(len(row.detail) > 10 for row in rows(("reference",)) if row.result == "refused")


def test_what_networks_do_not_hold_is_outside():
    outside = {test.name for test in node_tests() if not is_applicable(test)}
    assert {"test_bitwise_and_i32_2d", "test_equal", "test_add_uint64", "test_lstm_defaults"} <= outside
    assert {"test_string_concat", "test_softmax_example", "test_bitshift_left_uint8"} <= outside


def test_a_form_is_the_test_it_was_made_from():
    """In `onnx.reference`, image by image: constants, the added batch axis and the quantiser change no result."""
    checked = 0
    for test in node_tests()[::7]:
        if not is_applicable(test):
            continue
        try:
            for form in forms(test):
                onnx.checker.check_model(form.model)
                same_as_reference(form)
                checked += 1
        except NotANetworkError:
            continue
    assert checked >= 40


def same_as_reference(form: Form) -> None:
    runner = ReferenceEvaluator(form.model)
    for image in range(len(next(iter(form.inputs.values())))):
        results = runner.run(None, {name: array[image : image + 1] for name, array in form.inputs.items()})
        for result, expected in zip(results, form.outputs.values(), strict=True):
            due = np.asarray(expected[image : image + 1])
            assert result.shape == due.shape
            np.testing.assert_allclose(np.asarray(result, dtype=float), np.asarray(due, dtype=float), atol=1e-5)


def test_a_wrong_bit_is_seen():
    test = next(test for test in node_tests() if test.name == "test_basic_conv_with_padding")
    form = next(iter(forms(test)))
    graph = converted(form)
    assert differing(graph, form, ("reference",)) == ""
    name = next(iter(form.outputs))
    form.outputs[name][0, 0, 2, 3] += 1
    try:
        assert differing(graph, form, ("reference",)) == "reference: element 13 of y is 117, 118 is due"
    finally:
        form.outputs[name][0, 0, 2, 3] -= 1


def test_a_type_that_may_overflow_is_refused_at_its_whole_range_and_exact_at_that_of_the_data():
    test = next(test for test in node_tests() if test.name == "test_add_int16")
    whole, data, *_ = forms(test)
    assert (whole.bounds, data.bounds is None) == (None, False)
    with pytest.raises(IntinferError, match=r"may reach -65536\.\.65534, outside int16, and wrap around"):
        converted(whole)
    assert differing(converted(data), data, ("reference",)) == ""
