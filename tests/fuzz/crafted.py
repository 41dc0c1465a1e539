"""Files made to harm: each has one thing that must be refused, and the words that say so."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from converters.onnx_reading import constants, model, node
from onnx import TensorProto, helper
from torch import nn

F = np.float32
BILLION = 10**9
SHAPE = (1, 2, 4, 4)


def _net(*nodes: Any, shape: Any = SHAPE, domains: tuple[str, ...] = (), opset: int = 21, **arrays: Any) -> Any:
    protos = [n if isinstance(n, onnx.NodeProto) else node(*n[:3], **(n[3] if len(n) > 3 else {})) for n in nodes]
    return model(protos, shape, constants(**arrays), domains=domains, opset=opset)


def _quant(scale: Any = 1, zero: Any = 0, bits: Any = 4) -> Any:
    made = _net(("Quant", "x s z b", "y", {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}), s=F(scale), z=F(zero),
                b=F(bits), domains=("qonnx.custom_op.general",))  # fmt: skip
    made.graph.node[0].domain = "qonnx.custom_op.general"
    return made


def _linear(scale: Any) -> Any:
    return _net(("QuantizeLinear", "x s z", "q"), ("DequantizeLinear", "q s z", "y"), s=F(scale), z=np.uint8(0))


def _chain(kind: str, count: int, doubled: bool = False, **attributes: Any) -> Any:
    names = ["x", *(f"t{i}" for i in range(count - 1)), "y"]
    inputs = [f"{name} {name}" if doubled else name for name in names]
    return _net(*((kind, i, o, attributes) for i, o in zip(inputs, names[1:], strict=False)))


def _declared(*dims: int, raw: bytes = b"") -> Any:
    made = _net(("Add", "x c", "y"))
    made.graph.initializer.append(TensorProto(name="c", data_type=TensorProto.FLOAT, dims=dims, raw_data=raw))
    return made


def _external(location: str, **entries: Any) -> Any:
    made = _declared(4)
    tensor = made.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return made


def _nested(depth: int) -> bytes:
    """Graphs in attributes of nodes of graphs, written by hand: the library refuses to make them."""
    content = b""
    for number in (*(6, 5, 1) * depth, 7):  # AttributeProto.g, NodeProto.attribute, GraphProto.node, ModelProto.graph
        length, size = len(content), b""
        while length > 127:
            length, size = length >> 7, size + bytes([length & 127 | 128])
        content = bytes([number << 3 | 2]) + size + bytes([length]) + content
    return content


def _grown(kind: str, *sizes: Any) -> Any:
    """A constant of 10^9 elements, computed."""
    arrays = {f"s{i}": size for i, size in enumerate(sizes)}
    return _net((kind, " ".join(arrays), "c"), ("ReduceSum", "c", "r", {"keepdims": 0}), ("Add", "x r", "y"), **arrays)


def _resized(scale: float) -> Any:
    return _net(("Resize", "x - s", "y", {"mode": "nearest"}), s=np.array([1, 1, scale, scale], F))


def _twice() -> Any:
    made = _net(("Add", "x c", "y"), c=F(1))
    made.graph.initializer.append(made.graph.initializer[0])
    return made


def _circle() -> Any:
    return _net(("Add", "x b", "a"), ("Relu", "a", "b"), ("Relu", "b", "y"))


WIDE = np.ones((4, 2, 1, 1), F)
ONNX: dict[str, tuple[Callable[[], Any], str]] = {
    "absolute": (lambda: _external("/etc/passwd"), "not inside"),
    "parent": (lambda: _external("../secret.bin"), "not inside"),
    "link": (lambda: _external("link.bin"), "not inside"),
    "offset": (lambda: _external("own.bin", offset=2**62), "offset|bytes"),
    "length": (lambda: _external("own.bin", length=2**62), "length|bytes"),
    "negative offset": (lambda: _external("own.bin", offset=-4), "offset|bytes"),
    "no data": (lambda: _declared(BILLION), "elements|bytes"),
    "overflowing dims": (lambda: _declared(2**32, 2**32), "elements"),
    "negative dims": (lambda: _declared(-4, raw=b"\0" * 16), "-4|dim|shape"),
    "no elements": (lambda: _declared(0, 4), "element|shape|empty|0"),
    "wide input": (lambda: _net(("Relu", "x", "y"), shape=(1, BILLION)), "elements"),
    "negative input": (lambda: _net(("Relu", "x", "y"), shape=(1, -3)), "elements|shape"),
    "rank 5000": (lambda: _net(("Relu", "x", "y"), shape=(1,) * 5000), "axes"),
    "filled": (lambda: _grown("ConstantOfShape", np.array([BILLION])), "elements"),
    "expanded": (lambda: _grown("Expand", F(1), np.array([1000, 1000, 1000])), "elements"),
    "tiled": (lambda: _grown("Tile", np.ones(1, F), np.array([BILLION])), "elements"),
    "padded": (lambda: _grown("Pad", np.ones(1, F), np.array([BILLION, 0])), "elements"),
    "ranged": (lambda: _grown("Range", np.int64(0), np.int64(BILLION), np.int64(1)), "elements|size|supported|type"),
    "expanded map": (lambda: _net(("Expand", "x s", "y"), s=np.array([1, 2, BILLION, 4])), "broadcast"),
    "tiled map": (lambda: _net(("Tile", "x s", "y"), s=np.array([1, 1, 30000, 30000])), "elements"),
    "padded map": (lambda: _net(("Pad", "x p", "y"), p=np.array([0] * 7 + [BILLION])), "it pads by"),
    "padded by -": (lambda: _net(("Pad", "x p", "y"), p=np.array([0] * 7 + [-BILLION])), "gives shape"),
    "resized": (lambda: _resized(30000.0), "elements"),
    "resized to nan": (lambda: _resized(float("nan")), "scale|nan|NaN"),
    "resized to inf": (lambda: _resized(float("inf")), "scale|inf|elements"),
    "doubled": (lambda: _chain("Concat", 40, doubled=True, axis=1), "elements"),
    "added": (lambda: _chain("Add", 80, doubled=True), "may leave"),
    "groups": (lambda: _net(("Conv", "x w", "y", {"group": BILLION}), w=WIDE), "group"),
    "no groups": (lambda: _net(("Conv", "x w", "y", {"group": 0}), w=WIDE), "group"),
    "stride 0": (lambda: _net(("Conv", "x w", "y", {"strides": [0, 1]}), w=WIDE), "stride"),
    "dilation": (lambda: _net(("Conv", "x w", "y", {"dilations": [BILLION] * 2}), w=np.ones((4, 2, 2, 2), F)), "fit|"
                 "window|small|larger"),
    "conv pads": (lambda: _net(("Conv", "x w", "y", {"pads": [BILLION] * 4}), w=WIDE), "elements"),
    "window": (lambda: _net(("MaxPool", "x", "y", {"kernel_shape": [BILLION] * 2})), "window|fit|larger|small"),
    "blocks": (lambda: _net(("DepthToSpace", "x", "y", {"blocksize": BILLION})), "block"),
    "parts": (lambda: _net(("Split", "x", "y", {"num_outputs": BILLION, "axis": 2})), "output|part|fit"),
    "permutation": (lambda: _net(("Transpose", "x", "y", {"perm": [0, 1, 2, BILLION]})), "perm|axes|fit"),
    "circle": (_circle, "circle"),
    "twice": (_twice, "twice"),
    "nested": (lambda: _nested(3000), "cannot be read"),
    "nan scale": (lambda: _quant(scale=float("nan")), "scale|NaN"),
    "inf scale": (lambda: _quant(scale=float("inf")), "scale|inf"),
    "scale 0": (lambda: _quant(scale=0), "scale|0"),
    "nan bits": (lambda: _quant(bits=float("nan")), "bit"),
    "many bits": (lambda: _quant(bits=BILLION), "bit"),
    "no bits": (lambda: _quant(bits=0), "bit"),
    "nan zero": (lambda: _quant(zero=float("nan")), "zero|NaN"),
    "q nan scale": (lambda: _linear(float("nan")), "scale"),
    "q inf scale": (lambda: _linear(float("inf")), "scale"),
    "q scale 0": (lambda: _linear(0), "scale"),
    "loop": (lambda: _net(("Loop", "n c x", "y"), n=np.int64(BILLION), c=np.array(True)), "Loop"),
    "text": (lambda: _net(("Add", "x c", "y"), c=helper.make_tensor("c", TensorProto.STRING, [1], [b"x"])), "STRING"),
}  # fmt: skip


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def write_onnx(folder: Path) -> dict[str, str]:
    """File name -> the words of its refusal, for files in `folder`."""
    (folder.parent / "secret.bin").write_bytes(b"\0" * 16)
    (folder / "own.bin").write_bytes(b"\0" * 16)
    os.symlink(folder.parent / "secret.bin", folder / "link.bin")
    words = {}
    for name, (make, reason) in ONNX.items():
        file = folder / f"{name.replace(' ', '_')}.onnx"
        made = make()
        file.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
        words[file.name] = reason
    return words


def write_others(folder: Path, target: Path) -> dict[str, str]:
    """The same of parameters and archives; nothing may make `target`."""
    linear = {"conv1.weight": torch.zeros(1)}
    torch.save({**linear, "x": Evil(target)}, folder / "evil.pt")
    torch.save({"conv1.weight": torch.zeros(1).expand(BILLION)}, folder / "expanded.pt")
    torch.save({"conv1.weight": torch.zeros(4, 3, 3, 3).to_sparse()}, folder / "sparse.pt")
    torch.save(nn.Linear(2, 2), folder / "module.pt")
    _bomb(folder / "bomb.pt", "archive/data.pkl", 2**28)
    header = json.dumps({"a": {"dtype": "F32", "shape": [BILLION], "data_offsets": [0, 4 * BILLION]}}).encode()
    (folder / "declared.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    (folder / "header.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    _bomb(folder / "bomb.pt2", "archive/models/model.json", 2**28)
    _archive(folder / "deep.pt2", b"[" * 10**6)
    _archive(folder / "number.pt2", b"9" * 10**6)
    _archive(folder / "empty.pt2", b"{}")
    not_plain = "not a plain state_dict|holds|shape|key"
    return {
        **{f"{name}.pt": not_plain for name in ("evil", "expanded", "sparse", "module", "bomb")},
        **{f"{name}.safetensors": not_plain for name in ("declared", "header")},
        "bomb.pt2": "compressed", "deep.pt2": "deep|JSON", "number.pt2": "digits|characters",
        "empty.pt2": "missing",
    }  # fmt: skip


def _bomb(path: Path, name: str, size: int) -> None:
    """A zip entry of `size` zeros in a thousandth of the place."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as entry:
        for _ in range(size // 2**24):
            entry.write(bytes(2**24))


def _archive(path: Path, document: bytes) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/archive_format", b"pt2")
        archive.writestr("archive/models/model.json", document)
    path.write_bytes(buffer.getvalue())
