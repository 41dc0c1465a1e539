"""Model files whose header is not canonical JSON: each is refused, whatever its depth, length or numbers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from model_files import GOOD, HEADER, refused, with_text
from model_graphs import assert_same

from intinfer.builder import GraphBuilder
from intinfer.errors import ModelFileError
from intinfer.model_file import load, save
from intinfer.types import IntType


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.npz"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"version":1', b'"version":1,"version":1', "header: key 'version' appears twice in one object"),
        (b'"lo":0', b'"lo":0,"lo":0', "header: key 'lo' appears twice in one object"),
        (b'"version":1', b'"version":1.0', "header: 1.0 is not an integer; there are no other numbers in a model file"),
        (b'"lo":0', b'"lo":1e5', "header: 1e5 is not an integer; there are no other numbers in a model file"),
        (b'"lo":0', b'"lo":NaN', "header: NaN is not an integer; there are no other numbers in a model file"),
        (
            b'"lo":0',
            b'"lo":-Infinity',
            "header: -Infinity is not an integer; there are no other numbers in a model file",
        ),
        (
            b'"lo":0',
            b'"lo":1' + bytes(5000).replace(b"\0", b"0"),
            "header: an integer of 5001 characters; at most 20 are allowed",
        ),
        (b'"lo":0', b'"lo":-' + b"9" * 20, "header: an integer of 21 characters; at most 20 are allowed"),
        (
            b'"lo":0',
            b'"lo":-0',
            "header: JSON is not canonical at byte {}; keys are sorted, nothing is spaced or escaped without need",
        ),
        (
            b'"lo":0',
            b'"lo": 0',
            "header: JSON is not canonical at byte {}; keys are sorted, nothing is spaced or escaped without need",
        ),
        (
            b'"lo":0',
            b'"l\\u006f":0',
            "header: JSON is not canonical at byte {}; keys are sorted, nothing is spaced or escaped without need",
        ),
        (b'"lo":0', b'"lo":"\\ud800"', "header: a string holds half of a surrogate pair, which is no character"),
        (b'"lo":0', b'"lo":00', "header: not JSON: Expecting ',' delimiter at character {}"),
        (b'"lo":0', b'"lo":"\x00"', "header: not JSON: Invalid control character at at character {}"),
        (b'"lo":0', b'"lo":"\xff"', "header: not UTF-8 at byte {}"),
    ],
)
def test_json_that_is_not_strict(old: bytes, new: bytes, message: str, path: Path) -> None:
    text = HEADER
    at = text.index(old)
    offsets = {b'"lo":-0': 5, b'"lo": 0': 5, b'"l\\u006f":0': 2, b'"lo":00': 6, b'"lo":"\x00"': 6, b'"lo":"\xff"': 6}
    refused(with_text(GOOD, text.replace(old, new, 1)), path, message.format(at + offsets.get(new, 0)))


def test_json_that_is_none(path: Path) -> None:
    refused(with_text(GOOD, b""), path, "header: not JSON: Expecting value at character 0")
    refused(
        with_text(GOOD, HEADER[:-1]),
        path,
        f"header: not JSON: Expecting ',' delimiter at character {len(HEADER) - 1}",
    )
    refused(
        with_text(GOOD, HEADER + b"{}"),
        path,
        f"header: not JSON: Extra data at character {len(HEADER)}",
    )
    refused(
        with_text(GOOD, b"\xef\xbb\xbf{}"),
        path,
        "header: not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig) at character 0",
    )
    n = len(HEADER)
    refused(
        with_text(GOOD, HEADER + b"\n"),
        path,
        f"header: JSON is not canonical at byte {n}; keys are sorted, nothing is spaced or escaped without need",
    )


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b"[" * 17 + b"]" * 17,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'"' + b'\\"' * 1000 + b'",' + b"[" * 17,
        b"[[[]]," * 17,
    ],
)
def test_deep_json(text: bytes, path: Path) -> None:
    refused(with_text(GOOD, text), path, "header: nested deeper than 16 levels")


def test_brackets_in_strings_are_no_depth(path: Path) -> None:
    builder = GraphBuilder()
    builder.output("y", builder.input("[" * 100 + '"{\\', (1,), IntType(0, 1)))
    save(builder.finish(), path)
    assert_same(load(path), builder.finish())


def test_a_header_beyond_the_limit(path: Path) -> None:
    refused(with_text(GOOD, b" " * (2**23 + 1)), path, "header: 8388609 bytes, at most 8388608 are allowed")


def test_large_json_is_refused_in_bounded_time_and_memory(path: Path) -> None:
    for text in (
        b"[" + b"[],[]," * 300_000 + b"1]",
        b'"' + b'\\"' * 900_000,
        b'"\\' * 900_000,
        b"{" + b'"a":1,' * 300_000,
    ):
        path.write_bytes(with_text(GOOD, text))
        start = time.process_time()
        with pytest.raises(ModelFileError):
            load(path)
        assert time.process_time() - start < 5
