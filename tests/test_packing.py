"""Storage codes: every bit against a string of bits, every refusal."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intinfer.errors import GraphError, ModelFileError
from intinfer.files.packing import Encoding, pack, packed_size, unpack
from intinfer.strategies import int_types, integers_of

NAMES = ["binary", "ternary", *(f"u{k}" for k in range(1, 64)), *(f"s{k}" for k in range(1, 65))]


def code(value, name):
    """The field of one element, most significant bit first."""
    if name == "binary":
        return {-1: "0", 1: "1"}[value]
    if name == "ternary":
        return {-1: "11", 0: "00", 1: "01"}[value]
    bits = int(name[1:])
    return f"{value % 2**bits:0{bits}b}"


def packed(values, name):
    """The bytes by string handling: fields from the right, padded with 0 on the left."""
    text = "".join(code(value, name) for value in reversed(values))
    text = "0" * (-len(text) % 8) + text
    return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))[::-1]


def domain(name):
    if name in ("binary", "ternary"):
        return [-1, 1] if name == "binary" else [-1, 0, 1]
    bits = int(name[1:])
    lo, hi = (0, 2**bits - 1) if name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return list(range(lo, hi + 1)) if bits <= 6 else [lo, lo + 1, -1 if lo else 1, 0, hi // 3, hi - 1, hi]


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_domain_or_its_ends_there_and_back(name):
    values = domain(name) * 3
    encoding = Encoding(name)
    data = pack(np.array(values, dtype=np.int64), encoding)
    assert data.tobytes() == packed(values, name)
    assert len(data) == packed_size(len(values), encoding) == -(-len(values) * encoding.bits // 8)
    assert unpack(data, encoding, len(values)).tolist() == values
    assert (encoding.lo, encoding.hi) == (min(values), max(values))
    assert str(encoding) == name


@pytest.mark.parametrize("name", ["binary", "ternary", "u1", "s1", "u2", "s3", "u5", "s7"])
def test_every_short_list(name):
    encoding = Encoding(name)
    for count in range(4 if len(domain(name)) <= 4 else 2):
        for values in product(domain(name), repeat=count):
            data = pack(np.array(values, dtype=np.int64), encoding)
            assert data.tobytes() == packed(values, name)
            assert unpack(data, encoding, count).tolist() == list(values)


@given(st.sampled_from(NAMES), st.data())
def test_any_list_there_and_back(name, data):
    encoding = Encoding(name)
    element = st.sampled_from(domain(name))
    if name not in ("binary", "ternary"):
        element |= st.integers(encoding.lo, encoding.hi)
    values = data.draw(st.lists(element, max_size=20))
    stored = pack(np.array(values, dtype=np.int64), encoding)
    assert stored.tobytes() == packed(values, name)
    assert unpack(stored, encoding, len(values)).tolist() == values


def test_a_map_is_packed_in_c_order():
    values = np.arange(8).reshape(2, 2, 2)
    assert pack(values.transpose(2, 1, 0), Encoding("u3")).tobytes() == packed([0, 4, 2, 6, 1, 5, 3, 7], "u3")


@given(int_types(), st.data())
def test_the_smallest_encoding_holds_the_type_and_no_narrower_one_does(type_, data):
    encoding = Encoding.smallest(type_.lo, type_.hi)
    assert encoding.lo <= type_.lo <= type_.hi <= encoding.hi
    assert encoding.bits == type_.bits
    value = data.draw(integers_of(type_))
    assert unpack(pack(np.array([value]), encoding), encoding, 1).tolist() == [value]


def test_smallest_encodings_by_name():
    ends = [(0, 0), (0, 1), (0, 2), (-1, 0), (-1, 1), (-128, 127), (-129, 0), (0, 2**62)]
    names = [Encoding.smallest(lo, hi).name for lo, hi in ends]
    assert names == ["u1", "u1", "u2", "s1", "s2", "s8", "s9", "u63"]


@pytest.mark.parametrize("name", ["", "u0", "u64", "s65", "s0", "u07", "u100", "f8", "Binary", "u8\n", "u٣", " u8"])
def test_unknown_encodings(name):
    with pytest.raises(GraphError) as caught:
        Encoding(name)
    assert str(caught.value) == f"unknown encoding {name!r}: allowed are binary, ternary, u1..u63 and s1..s64"


@pytest.mark.parametrize(("name", "value"), [("binary", 0), ("binary", 2), ("ternary", -2), ("u3", 8), ("s3", -5)])
def test_a_value_without_a_code(name, value):
    with pytest.raises(GraphError) as caught:
        pack(np.array([1, value]), Encoding(name))
    assert str(caught.value) == f"pack: value {value} has no {name} code"


@pytest.mark.parametrize("size", [0, 2])
def test_data_of_the_wrong_size(size):
    with pytest.raises(ModelFileError) as caught:
        unpack(np.zeros(size, dtype=np.uint8), Encoding("ternary"), 3)
    assert str(caught.value) == f"3 ternary elements take 1 bytes, {size} are there"


@pytest.mark.parametrize("bit", [6, 7])
def test_an_unused_bit_that_is_set(bit):
    with pytest.raises(ModelFileError) as caught:
        unpack(np.array([1 << bit], dtype=np.uint8), Encoding("ternary"), 3)
    assert str(caught.value) == "an unused bit after the last element is set"


@pytest.mark.parametrize("position", range(6))
def test_the_invalid_ternary_code(position):
    data = np.frombuffer((0b10 << (2 * position)).to_bytes(2, "little"), dtype=np.uint8)
    with pytest.raises(ModelFileError) as caught:
        unpack(data, Encoding("ternary"), 6)
    assert str(caught.value) == f"element {position} has the invalid ternary code 10"
