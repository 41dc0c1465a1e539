"""GraphBuilder and Graph: what a finished graph holds, and every refusal with its whole message."""

import copy
import pickle
from dataclasses import replace
from fractions import Fraction

import pytest

from intinfer.builder import GraphBuilder
from intinfer.errors import GraphError
from intinfer.graph import Graph, ImageInput, Output, Value, unread_after
from intinfer.ops import Add, Bitshift, Clamp, Concat
from intinfer.types import IntType

LEVELS = IntType(0, 7)


def started(shape=(3, 4, 5)):
    builder = GraphBuilder()
    return builder, builder.input("x", shape, LEVELS)


def message_of(call):
    with pytest.raises(GraphError) as caught:
        call()
    return str(caught.value)


def test_a_finished_graph():
    builder, x = started()
    y = builder.add(Clamp(1, 3), x, name="y", source=["relu", "clip"])
    z = builder.add(Add((1, -1)), x, y, name="z")
    builder.output("out", z, [Fraction(1, 3)], [Fraction(1)] * 3)
    builder.output("also", x)
    graph = builder.finish(ImageInput("RGB", "crop"), ["a", "b", "c"], {"made": "by hand"})
    assert isinstance(graph, Graph)
    assert builder.inputs == graph.inputs == (Value("x", (3, 4, 5), LEVELS),)
    assert [node.name for node in graph.nodes] == ["y", "z"]
    assert [node.inputs for node in graph.nodes] == [("x",), ("x", "y")]
    assert graph.nodes[0].source == ("relu", "clip")
    assert list(graph.values) == ["x", "y", "z"]
    assert graph.values["z"] == z == Value("z", (3, 4, 5), IntType(-3, 6))
    assert (graph.outputs[0].scale, graph.outputs[0].offset) == ((Fraction(1, 3),), (Fraction(1),) * 3)
    assert (graph.outputs[1].scale, graph.outputs[1].offset) == ((Fraction(1),), (Fraction(0),))
    assert (graph.image, graph.classes) == (ImageInput("RGB", "crop"), ("a", "b", "c"))
    assert graph.provenance == {"made": "by hand"}
    assert graph.node("z") is graph.nodes[1]
    assert z.size == 60


def test_a_graph_is_made_by_its_builder_only():
    builder, x = started()
    builder.output("x", x)
    graph = builder.finish()
    wanted = (
        "a Graph is made by GraphBuilder, which runs the type rules; from another graph by its methods with_nodes, "
        "with_ops, with_outputs and up_to"
    )
    assert message_of(lambda: Graph(graph.inputs, graph.nodes, graph.outputs)) == wanted
    assert message_of(Graph) == wanted
    assert message_of(lambda: replace(graph, nodes=())) == wanted
    assert message_of(lambda: replace(graph, classes=("a", "b"))) == wanted
    for copied in (copy.copy(graph), copy.deepcopy(graph), pickle.loads(pickle.dumps(graph))):
        assert (copied.inputs, copied.outputs, copied.provenance) == (graph.inputs, graph.outputs, graph.provenance)


def test_a_graph_does_not_change_when_its_builder_goes_on():
    builder, x = started()
    builder.output("x", x)
    graph = builder.finish()
    assert (graph.image, graph.classes, graph.provenance) == (None, (), {})
    builder.add(Clamp(0, 1), x, name="late")
    assert list(graph.values) == ["x"]
    assert graph.nodes == ()


def test_an_unknown_node_is_answered_with_close_names():
    builder, x = started()
    for name in ("stage1.conv", "stage1.act", "stage2.conv", "head"):
        x = builder.add(Clamp(0, 7), x, name=name)
    builder.output("y", x)
    graph = builder.finish()
    assert message_of(lambda: graph.node("stage1.con")) == (
        "no node named 'stage1.con'; close names: stage1.conv, stage2.conv, stage1.act"
    )
    assert message_of(lambda: graph.node("zzz")) == (
        "no node named 'zzz'; close names: stage1.conv, stage1.act, stage2.conv"
    )


@pytest.mark.parametrize("name", ["", "a\nb", "a" * 201, "tab\t", "\x7f"])
def test_names_that_are_refused(name):
    builder = GraphBuilder()
    wanted = f"value name {name[:200]!r} must be 1..200 printable characters"
    assert message_of(lambda: builder.input(name, (1,), LEVELS)) == wanted
    builder, x = started()
    assert message_of(lambda: builder.add(Clamp(0, 1), x, name=name)) == wanted


@pytest.mark.parametrize("name", ["a" * 200, "s1.n1.gcm", "größe", "a b/c%"])
def test_names_that_are_allowed(name):
    assert GraphBuilder().input(name, (1,), LEVELS).name == name


def test_a_name_is_taken_once():
    builder, x = started()
    wanted = "value name 'x' is taken; names are unique"
    assert message_of(lambda: builder.input("x", (1,), LEVELS)) == wanted
    assert message_of(lambda: builder.add(Clamp(0, 1), x, name="x")) == wanted


@pytest.mark.parametrize("shape", [(), (1, 2), (1, 2, 3, 4), (0,), (3, 0, 1), (3, -1, 1), (True,), (2.0,)])
def test_shapes_that_are_refused(shape):
    assert message_of(lambda: GraphBuilder().input("v", shape, LEVELS)) == (
        f"value 'v': shape {shape} must be (C, H, W) or (C,), each at least 1"
    )


def test_the_largest_value():
    assert GraphBuilder().input("v", (2**31,), LEVELS).size == 2**31
    assert message_of(lambda: GraphBuilder().input("v", (2**11, 2**10, 2**10 + 1), LEVELS)) == (
        f"value 'v': {2**31 + 2**21} elements, more than {2**31}"
    )


def test_a_result_that_is_too_large_is_refused():
    builder = GraphBuilder()
    x = builder.input("x", (2**30,), LEVELS)
    assert message_of(lambda: builder.add(Concat(), x, x, x, name="y")) == (
        f"value 'y': {3 * 2**30} elements, more than {2**31}"
    )


def test_values_of_another_graph_are_refused():
    builder, _ = started()
    _, foreign = started((3,))
    assert message_of(lambda: builder.add(Clamp(0, 1), foreign, name="y")) == (
        "node 'y': input 'x' is not a value of this graph"
    )
    assert message_of(lambda: builder.output("out", foreign)) == "output 'out': 'x' is not a value of this graph"


def test_the_refusal_of_an_op_names_the_node_and_adds_nothing():
    builder, x = started()
    assert message_of(lambda: builder.add(Bitshift(2), x, x, name="merge")) == (
        "node 'merge' (bitshift): 'x' holds 0..7, not 2-bit levels"
    )
    assert message_of(lambda: builder.add(Bitshift(2), x, name="merge")) == (
        "node 'merge' (bitshift): takes 2 input(s), got 1"
    )
    assert builder.add(Bitshift(3), x, x, name="merge").type == LEVELS


def test_outputs_that_are_refused():
    builder, x = started()
    builder.output("y", x)
    assert message_of(lambda: builder.output("y", x)) == "output 'y' is declared twice"
    assert message_of(lambda: builder.output("z", x, scale=[Fraction(1)] * 2)) == (
        "output 'z': 2 scales for 3 channels; give 1 or one a channel"
    )
    assert message_of(lambda: builder.output("z", x, offset=[])) == (
        "output 'z': 0 offsets for 3 channels; give 1 or one a channel"
    )


def test_graphs_that_cannot_be_finished():
    assert message_of(GraphBuilder().finish) == "a graph needs inputs and outputs, got 0 and 0"
    builder, x = started()
    assert message_of(builder.finish) == "a graph needs inputs and outputs, got 1 and 0"
    builder.output("y", x)
    assert message_of(lambda: builder.finish(ImageInput("L"))) == "an L image does not fit input shape (3, 4, 5)"
    assert message_of(lambda: builder.finish(classes=["a", "b"])) == "2 class names for 3 outputs"
    builder.input("second", (3, 4, 5), LEVELS)
    assert message_of(lambda: builder.finish(ImageInput("RGB"))) == "an RGB image does not fit input shape (3, 4, 5)"
    builder, x = started((3,))
    builder.output("y", x)
    assert message_of(lambda: builder.finish(ImageInput("RGB"))) == "an RGB image does not fit input shape (3,)"


def test_image_inputs():
    assert [ImageInput(mode).channels for mode in ("RGB", "L")] == [3, 1]
    assert (
        message_of(lambda: ImageInput("BGR"))
        == "image mode 'BGR': allowed are RGB and L, and none where no input is a picture"
    )
    assert message_of(lambda: ImageInput("L", "stretch")) == ("image fit 'stretch': allowed are exact, crop and resize")


# --------------------------------------------------------------------------------------- graphs made from graphs


def chain():
    """x -> c -> (a, b); a alone is an output, b is read by nobody."""
    builder = GraphBuilder()
    x = builder.input("x", (2,), IntType(-4, 9))
    c = builder.clamp(x, name="c", lo=-2, hi=5)
    builder.output("a", builder.abs(c, name="a", source=("layer",)))
    builder.clamp(c, name="b", lo=0, hi=1)
    return builder.finish(classes=("one", "two"), provenance={"net": "chain"})


def test_other_nodes_have_the_types_that_their_rules_give():
    wider = chain().with_ops(lambda node, inputs: Clamp(-3, 5) if node.name == "c" else node.op, {"why": "wider"})
    assert {name: str(value.type) for name, value in wider.values.items()} == {
        "x": "-4..9",
        "c": "-3..5",
        "a": "0..5",
        "b": "0..1",
    }
    assert (wider.classes, wider.provenance) == (("one", "two"), {"net": "chain", "why": "wider"})
    assert wider.node("a").source == ("layer",)
    with pytest.raises(GraphError, match=r"^node 'c' \(clamp\): lo 9 exceeds hi 5$"):
        chain().with_ops(lambda node, inputs: Clamp(9, 5) if node.name == "c" else node.op)


def test_nodes_left_out_are_missed_where_they_are_read():
    graph = chain()
    assert [node.name for node in graph.with_nodes(node for node in graph.nodes if node.name != "b").nodes] == [
        "c",
        "a",
    ]
    with pytest.raises(GraphError, match=r"^node 'a' reads 'c', which no input or node before it is; keep what makes"):
        graph.with_nodes(node for node in graph.nodes if node.name != "c")


def test_an_output_of_what_is_not_there_is_refused():
    with pytest.raises(
        GraphError, match=r"^output 'y' reads 'd', which no input or node before it is; keep what makes"
    ):
        chain().with_outputs([Output("y", "d")])


def test_the_part_before_a_node_is_a_graph():
    part = chain().up_to("b")
    assert ([node.name for node in part.nodes], [out.name for out in part.outputs]) == (["c", "b"], ["b"])
    assert part.classes == ()
    assert chain().before(["a"]) == {"x", "c", "a"}
    with pytest.raises(GraphError, match="no node named 'd'; close names: "):
        chain().up_to("d")


def test_values_die_after_their_last_reader():
    steps = [(node.inputs, node.name) for node in chain().nodes]
    assert unread_after(steps) == [["x"], ["a"], ["c", "b"]]
    assert unread_after(steps, {"a", "x"}) == [[], [], ["c", "b"]]
