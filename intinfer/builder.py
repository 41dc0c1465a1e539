"""`GraphBuilder`: the only way to make a `Graph`. Each node's type rule runs as it is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from fractions import Fraction

from .build_arguments import integers_of, need_value, type_of
from .build_ops import OpMethods
from .errors import GraphError, ModelFileError
from .files.attributes import check_types, encode_attributes
from .files.stored import TensorChecker
from .files.strict_json import text
from .graph import Graph, ImageInput, Node, Output, Shape, Value
from .limits import MAX_ELEMENTS, MAX_ENDS, MAX_FRACTION_DIGITS, MAX_LIST, MAX_NAME, MAX_NODES, MAX_NOTE, MAX_TEXT
from .ops import OPS, Op
from .types import IntType


class GraphBuilder(OpMethods):
    """Collects inputs, nodes and outputs in topological order; what it takes, `model_file.save` takes.

    There is one method an op, which takes numbers and arrays (`add` takes any op as an object):

    >>> b = GraphBuilder()
    >>> x = b.input("x", (2, 4, 4), (0, 255))
    >>> weight = [[[[1, 0, -1]]], [[[-1, 1, 1]]]]
    >>> z = b.conv2d(x, weight, name="conv", encoding="ternary", groups=2, pads=(0, 1, 0, 1), pad_value=0,
    ...              accumulator="10 prove")
    >>> z.type
    IntType(lo=-255, hi=510)
    >>> a = b.threshold(z, [[-40, 0, 900]], name="act", base=0, step=1, descending=0, clip=True)
    >>> s = b.tgap(a, name="gate", top=3)
    >>> y = b.mux(s, a, b.max_pool(a, name="pool", kernel=3, pads=1), name="mux")
    >>> b.output("y", y)
    >>> [node.name for node in b.finish().nodes]
    ['conv', 'act', 'gate', 'pool', 'mux']
    """

    def __init__(self) -> None:
        self._inputs: list[Value] = []
        self._nodes: list[Node] = []
        self._outputs: list[Output] = []
        self._values: dict[str, Value] = {}
        self._tensors = TensorChecker()

    @property
    def inputs(self) -> tuple[Value, ...]:
        """The inputs declared so far."""
        return tuple(self._inputs)

    def input(self, name: str, shape: Shape, type_: IntType | tuple[int, int]) -> Value:
        """Declare an input of integers lo..hi, both included; it comes before the first node that reads it."""
        _need_room(self._inputs, MAX_ENDS, "inputs")
        value = self._register(name, shape, type_of(f"input {name!r}: type", type_))
        self._inputs.append(value)
        return value

    def add(self, op: Op, *inputs: Value, name: str, source: Sequence[str] = ()) -> Value:
        """Append `op` applied to `inputs` and return its value.

        Raises GraphError, naming the node, when an input is foreign, the op refuses its inputs, an attribute is
        larger than a model file has room for, or the name is taken.
        """
        _need_room(self._nodes, MAX_NODES, "nodes")
        for value in inputs:
            self._need_own(f"node {name!r}: input", value)
        if not isinstance(op, Op):
            raise GraphError(f"node {name!r}: an object of a class of intinfer.ops is needed, got {op!r}")
        try:
            if OPS.get(op.kind) is not type(op):
                raise GraphError("is not one of intinfer.ops.OPS")
            op.check_arity(len(inputs))
            check_types(op, "attributes")
            self._tensors.budget.charge_windows("attributes", op, inputs)
            shape, type_ = op.infer(*inputs)
            encode_attributes(op, "attributes", self._tensors)
            _need_texts("source", source)
        except (GraphError, ModelFileError) as error:
            raise GraphError(f"node {name!r} ({op.kind}): {error}") from None
        output = self._register(name, shape, type_)
        self._nodes.append(Node(op, tuple(v.name for v in inputs), output, tuple(source)))
        return output

    def output(
        self,
        name: str,
        value: Value,
        scale: Sequence[Fraction] = (Fraction(1),),
        offset: Sequence[Fraction] = (Fraction(0),),
    ) -> None:
        """Declare a result with its exact affine: real = scale * z + offset, per tensor or per channel."""
        self._need_own(f"output {name!r}:", value)
        _need_room(self._outputs, MAX_ENDS, "outputs")
        _need_name("output", name)
        if name in (out.name for out in self._outputs):
            raise GraphError(f"output {name!r} is declared twice")
        for what, numbers in (("scale", scale), ("offset", offset)):
            if not isinstance(numbers, Sequence) or isinstance(numbers, str):
                raise GraphError(f"output {name!r}: {what} is a {type(numbers).__name__}; give a list of Fractions")
            if len(numbers) not in (1, value.shape[0]):
                raise GraphError(
                    f"output {name!r}: {len(numbers)} {what}s for {value.shape[0]} channels; give 1 or one a channel"
                )
            wrong = [number for number in numbers if not isinstance(number, Fraction | int)]
            if wrong:
                raise GraphError(f"output {name!r}: {what} is made of {type(wrong[0]).__name__}s; give Fractions")
            if any(max(abs(n.numerator), n.denominator) >= 10**MAX_FRACTION_DIGITS for n in numbers):
                raise GraphError(f"output {name!r}: a {what} of more than {MAX_FRACTION_DIGITS} digits above or below")
        self._outputs.append(Output(name, value.name, tuple(scale), tuple(offset)))

    def finish(
        self,
        image: ImageInput | str | None = None,
        classes: Sequence[str] = (),
        provenance: Mapping[str, str] | None = None,
    ) -> Graph:
        """The finished graph; without arguments one of integer arrays alone, with no pictures, class names or notes.

        Args:
            image: how a picture file becomes the only input, of shape (3, H, W) or (1, H, W): an `ImageInput`, or its
                mode alone, "RGB" or "L". None: no input is a picture, and commands that read images, as `intinfer run`
                and `golden`, take files of integer arrays (.npy, .npz) alone.
            classes: a name of each channel of the first output, or none of any.
            provenance: where the graph comes from, texts by key, which nothing computes with.

        Raises GraphError without inputs or outputs, or when `image` or `classes` do not fit.
        """
        image = ImageInput(image) if isinstance(image, str) else image
        if not self._inputs or not self._outputs:
            raise GraphError(f"a graph needs inputs and outputs, got {len(self._inputs)} and {len(self._outputs)}")
        if image is not None:
            if not isinstance(image, ImageInput):
                raise GraphError(f"image {image!r} must be an ImageInput, or its mode RGB or L")
            shape = self._inputs[0].shape
            if len(self._inputs) != 1 or len(shape) != 3 or shape[0] != image.channels:
                raise GraphError(f"an {image.mode} image does not fit input shape {shape}")
        _need_texts("classes", classes)
        if classes:
            last = self._values[self._outputs[0].value]
            if len(classes) != last.shape[0]:
                raise GraphError(f"{len(classes)} class names for {last.shape[0]} outputs")
        if not isinstance(provenance, Mapping | None):
            raise GraphError(f"provenance is a {type(provenance).__name__}; texts by key are needed")
        notes = dict(provenance or {})
        _need_room(notes, MAX_ENDS + 1, "provenance entries")
        _need_texts("provenance", list(notes), MAX_NAME)
        _need_texts("provenance", list(notes.values()), MAX_NOTE, lines=True)
        return Graph._finished(
            inputs=tuple(self._inputs),
            nodes=tuple(self._nodes),
            outputs=tuple(self._outputs),
            image=image,
            classes=tuple(classes),
            provenance=notes,
        )

    def _need_own(self, what: str, value: object) -> None:
        known = need_value(what, value)
        if self._values.get(known.name) != known:
            raise GraphError(f"{what} {known.name!r} is not a value of this graph")

    def _register(self, name: str, shape: Shape, type_: IntType) -> Value:
        _need_name("value", name)
        if name in self._values:
            raise GraphError(f"value name {name!r} is taken; names are unique")
        try:
            extents = integers_of("shape", shape)
        except GraphError:
            extents = ()
        if len(extents) not in (1, 3) or min(extents) < 1:
            raise GraphError(f"value {name!r}: shape {shape} must be (C, H, W) or (C,), each at least 1")
        value = Value(name, extents, type_)
        if value.size > MAX_ELEMENTS:
            raise GraphError(f"value {name!r}: {value.size} elements, more than {MAX_ELEMENTS}")
        self._values[name] = value
        return value


def _need_room(taken: Sized, most: int, what: str) -> None:
    if len(taken) >= most:
        raise GraphError(f"more than {most:,} {what}; a model file has room for so many")


def _need_name(what: str, name: str) -> None:
    if not isinstance(name, str):
        raise GraphError(f"{what} name {name!r} must be a string")
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise GraphError(f"{what} name {name[:MAX_NAME]!r} must be 1..{MAX_NAME} printable characters")


def _need_texts(what: str, texts: Sequence[str], limit: int = MAX_TEXT, lines: bool = False) -> None:
    if not isinstance(texts, Sequence) or isinstance(texts, str):
        raise GraphError(f"{what}: a list of strings is needed, got {texts!r}")
    if len(texts) > MAX_LIST:
        raise GraphError(f"{what}: {len(texts)} items, at most {MAX_LIST} are allowed")
    try:
        for i, item in enumerate(texts):
            text(item, f"{what}[{i}]", limit, lines)
    except ModelFileError as error:
        raise GraphError(str(error)) from None
