"""Damaged, hostile and odd files: one DataError each, nothing read outside the folder, nothing large allocated."""

import os
import tracemalloc

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from converters.onnx_reading import constants, model, node, read, values
from intinfer.errors import DataError, IntinferError
from intinfer_converters.read_onnx.load import MAX_NODES

W = np.arange(12, dtype=np.float32).reshape(3, 4)
GOOD = model([node("Gemm", "x w", "y", transB=1)], (1, 4), constants(w=W))


def external(**entries):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=W.shape, data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    return model([node("Gemm", "x w", "y", transB=1)], (1, 4), [tensor])


def saved(folder, proto):
    folder.mkdir(exist_ok=True)
    (folder / "net.onnx").write_bytes(proto.SerializeToString())
    return folder / "net.onnx"


def test_bytes_paths_and_models_read_alike(tmp_path):
    path = saved(tmp_path, GOOD)
    found = [values(read(s, 0, 9), np.array([[1, 0, 2, 0]]))["y"].tolist() for s in (GOOD, path, str(path))]
    assert found == [[4, 16, 28]] * 3
    assert values(read(path.read_bytes(), 0, 9), np.array([[1, 0, 2, 0]]))["y"].tolist() == [4, 16, 28]


def test_external_data_beside_the_model_is_read(tmp_path):
    path = saved(tmp_path, external(location="w.bin", offset=8, length=48))
    (tmp_path / "w.bin").write_bytes(b"12345678" + W.tobytes())
    assert values(read(path, 0, 9), np.array([[1, 0, 2, 0]]))["y"].tolist() == [4, 16, 28]


@pytest.mark.parametrize(
    "location", ["../w.bin", "/etc/hostname", "sub/../../w.bin", "", ".", "link.bin", "folder/w.bin", "a\0b", "loop"]
)
def test_external_data_outside_of_the_folder_is_never_opened(tmp_path, location):
    (tmp_path / "w.bin").write_bytes(W.tobytes())
    path = saved(tmp_path / "model", external(location=location))
    os.symlink(tmp_path / "w.bin", path.parent / "link.bin")
    os.symlink(tmp_path, path.parent / "folder")
    os.symlink("loop", path.parent / "loop")
    (path.parent / "sub").mkdir()
    with pytest.raises(DataError, match=r"tensor 'w': (its data file .* is not inside|there is no file)"):
        read(path)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"offset": 8}, "48 bytes at 8 of 'w.bin', which has 48"),
        ({"offset": -8}, "48 bytes at -8"),
        ({"offset": 2**63}, "48 bytes at 9223372036854775808"),
        ({"length": 47}, "47 bytes at 0"),
        ({"length": "many"}, "offset or length of its data is no number"),
    ],
)
def test_offsets_and_lengths_of_external_data_are_checked(tmp_path, entries, reason):
    path = saved(tmp_path, external(location="w.bin", **entries))
    (tmp_path / "w.bin").write_bytes(W.tobytes())
    with pytest.raises(DataError, match=reason):
        read(path)


def test_external_data_needs_a_folder_a_file_and_no_pipe(tmp_path):
    with pytest.raises(DataError, match="the model came without a folder; give the model's path"):
        read(external(location="w.bin"))
    path = saved(tmp_path, external(location="pipe"))
    with pytest.raises(DataError, match="there is no file 'pipe' beside the model"):
        read(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="there is no file 'pipe' beside the model"):
        read(path)


def _tensor(**fields):
    return TensorProto(**{"name": "w", "data_type": TensorProto.FLOAT, "dims": [3, 4], **fields})


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (_tensor(dims=[10**5, 10**4], raw_data=b""), "has 1,000,000,000 elements; at most 268,435,456 are read"),
        (_tensor(dims=[2**40, 2**40], raw_data=b""), "elements; at most"),
        (_tensor(raw_data=b"1234"), "4 bytes of data, its shape and type need 48"),
        (_tensor(float_data=[1, 2]), "2 entries in float_data, its shape needs 12"),
        (_tensor(dims=[-3, 4], raw_data=b""), "none negative"),
        (_tensor(dims=[1] * 99, raw_data=b"1234"), "at most 16 axes"),
        (_tensor(data_type=TensorProto.STRING), "is of type STRING; supported are FLOAT"),
        (_tensor(data_type=999), "is of type number 999"),
        (_tensor(data_type=TensorProto.BFLOAT16, raw_data=bytes(24)), "is of type BFLOAT16"),
    ],
)
def test_tensors_are_checked_before_anything_is_allocated(tensor, reason):
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=f"tensor 'w'.* {reason}|tensor 'w': {reason}"):
            read(model([node("Gemm", "x w", "y", transB=1)], (1, 4), [tensor]))
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        (
            [("ConstantOfShape", "n", "c"), ("Add", "x c", "y")],
            r"c \(ConstantOfShape\): it gives 1,099,511,627,776 ",
        ),
        ([("Range", "zero many one", "c"), ("Add", "x c", "y")], r"c \(Range\): it gives 1,099,511,627,776 "),
        ([("Expand", "one n", "c"), ("Add", "x c", "y")], r"c \(Expand\): it gives 1,099,511,627,776 "),
        ([("RandomNormal", "", "c"), ("Add", "x c", "y")], r"c \(RandomNormal\): it is not evaluated on constants"),
    ],
)
def test_constants_that_would_be_huge_are_not_computed(nodes, reason):
    arrays = constants(n=np.array([2**20, 2**20]), zero=np.array(0), many=np.array(2**40), one=np.array(1))
    with pytest.raises(DataError, match=reason):
        read(model(nodes, (1, 4), arrays))


@pytest.mark.parametrize(
    ("proto", "reason"),
    [
        (
            model([("Relu", "b", "a"), ("Relu", "a", "b"), ("Add", "x a", "y")], (1, 4)),
            "has a circle: [ab], [ab]",
        ),
        (model([("Relu", "x", "y"), ("Neg", "x", "y")], (1, 4)), "the tensor 'y' is made twice, the second time by y"),
        (model([("Relu", "x", "x")], (1, 4), outputs=("x",)), "the tensor 'x' is made twice"),
        (model([("Relu", "gone", "y")], (1, 4)), "no node makes the tensor 'gone', which is needed"),
        (model([("Relu", "x", "z")], (1, 4)), "no node makes the tensor 'y', which is needed"),
        (model([("Relu", "w", "y")], (1, 4), constants(w=W)), "the output 'y' does not depend on any input"),
        (
            model([("Gemm", "x w", "y")], (1, 4), [*constants(w=W), *constants(w=W)]),
            "the constant 'w' has no name, or one",
        ),
        (
            model([("Relu", "x", "y")], (8, 4)),
            r"input 'x' has a batch of 8; networks are read with 1: give --shape",
        ),
        (
            model([("Relu", "x", "y")], ("n", "m")),
            r"input 'x' has the shape \[None, None\], which the file leaves open",
        ),
        (model([("Relu", "x", "y")], (1, 2**15, 2**15)), "at most 2\\^24 elements"),
        (model([("Relu", "x", "y")], (1, 4), elem=TensorProto.STRING), "input 'x' is of type STRING"),
        (
            model([("Relu", "x", "y")], (1, 4), opset=9999),
            "the model is of opset 9999; 1 to ",
        ),
        (onnx.ModelProto(), "it is no ONNX model: it has no graph with outputs"),
    ],
)
def test_graphs_that_are_none(proto, reason):
    with pytest.raises(DataError, match=reason):
        read(proto)


def test_the_user_says_open_shapes():
    proto = model([node("Relu", "x", "y")], ("n", 2, "h", "w"))
    assert read(proto, shapes={"x": (1, 2, 3, 4)}).net.nodes[0].shape == (2, 3, 4)
    with pytest.raises(DataError, match=r"the shape \[1, 3, 3, 4\] does not fit the file's \[None, 2, None, None\]"):
        read(proto, shapes={"x": (1, 3, 3, 4)})
    with pytest.raises(DataError, match="a shape is given for 'z'; the inputs of the model are x"):
        read(proto, shapes={"z": (1, 3)})
    assert read(model([node("Relu", "x", "y")], (8, 4)), shapes={"x": (1, 4)}).net.nodes[0].shape == (4,)


def _function(name, callee, calls):
    body = [
        helper.make_node(callee, [f"v{n}"], [f"v{n + 1}"], domain="" if callee == "Relu" else "own")
        for n in range(calls)
    ]
    return helper.make_function(
        "own", name, ["v0"], [f"v{calls}"], body, [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    )


def test_functions_that_grow_or_call_themselves_are_not_put_in_place():
    call = helper.make_node("f0", ["x"], ["y"], domain="own")
    bomb = [_function(f"f{n}", f"f{n + 1}" if n < 9 else "Relu", 10) for n in range(10)]
    with pytest.raises(DataError, match=f"10,000,000,000 nodes once its functions are in place; at most {MAX_NODES:,}"):
        read(model([call], (1, 4), functions=bomb, domains=["own"]))
    with pytest.raises(DataError, match="its local functions call each other in a circle"):
        read(model([call], (1, 4), functions=[_function("f0", "f1", 1), _function("f1", "f0", 1)], domains=["own"]))


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        read(tmp_path / "none.onnx")
    with pytest.raises(DataError, match="there is no such file"):
        read(tmp_path)
    with pytest.raises(DataError, match="it is no ONNX model"):
        read(b"PK\x03\x04 this is a zip file")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutated_files_are_read_or_refused(data):
    content = bytearray(MIXED.SerializeToString())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    said = ""
    try:
        read(bytes(content))
    except IntinferError as error:
        said = str(error)
    assert "\n" not in said


MIXED = model(
    [
        node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "c g g m g", "n"),
        node("Quant", "n s z b", "q", domain="onnx.brevitas", signed=0),
        node("MaxPool", "q", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "p", "f"),
        node("Slice", "f i k", "y"),
    ],
    (1, 1, 4, 4),
    constants(
        w=np.ones((2, 1, 3, 3), np.float32),
        g=np.float32([1, 2]),
        m=np.float32([0, 1]),
        s=np.float32(0.5),
        z=np.float32(0),
        b=np.float32(2),
        i=np.array([0, 0]),
        k=np.array([1, 5]),
    ),
)


@pytest.mark.parametrize(
    "text", ["name_of_node", "name_of_graph", "name_in", "name_out", "name_w", "name_of_extent", "transB", "Gemm"]
)
def test_strings_that_are_not_utf_8(text, tmp_path):
    """Wherever they stand; a comment may be anything."""
    gemm = helper.make_node("Gemm", ["name_in", "name_w"], ["name_out"], name="name_of_node", transB=1)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4 if name == "name_in" else "name_of_extent"])
        for name in ("name_in", "name_out")
    ]
    weight = onnx.numpy_helper.from_array(W, "name_w")
    graph = helper.make_graph([gemm], "name_of_graph", ends[:1], ends[1:], [weight], doc_string="a_comment")
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()
    path = tmp_path / "net.onnx"
    path.write_bytes(data.replace(b"a_comment", b"a_\xe9\xff\xfe\xe9ent"))
    read(path)
    path.write_bytes(data.replace(text.encode(), b"\xff\xfe" + text.encode()[2:]))
    with pytest.raises(DataError, match=r"\w+\.\w+ is b'\\xff\\xfe.*', which is not UTF-8; export it again"):
        read(path)
