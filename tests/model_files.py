"""Making damaged model files, and asking that they be refused in so many words."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from model_graphs import small

from intinfer.errors import ModelFileError
from intinfer.files import npz
from intinfer.graph import Graph
from intinfer.model_file import load, save

Members = list[tuple[str, bytes]]
Edit = Callable[[dict[str, Any]], object]


def encoded(graph: Graph) -> bytes:
    with TemporaryDirectory() as folder:
        save(graph, Path(folder, "m.npz"))
        return Path(folder, "m.npz").read_bytes()


GOOD = encoded(small())


def members_of(data: bytes) -> Members:
    return [(name, bytes(content)) for name, content in npz.read(data).items()]


def with_text(data: bytes, text: bytes) -> bytes:
    """The file with another header text."""
    return npz.write([("header", text), *members_of(data)[1:]])


def with_header(data: bytes, edit: Edit, extra: Members | None = None) -> bytes:
    """The file with an edited header, canonical and correctly framed, and members added."""
    (_, text), *rest = members_of(data)
    document = json.loads(text)
    edit(document)
    return npz.write([("header", canonical(document)), *rest, *(extra or [])])


def canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def refused(data: bytes, path: Path, message: str) -> None:
    path.write_bytes(data)
    with pytest.raises(ModelFileError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {message}"


def refused_cheaply(data: bytes, path: Path, message: str, memory: int = 2**20) -> None:
    """Refused with at most `memory` bytes allocated on the way, and within seconds."""
    start = time.process_time()
    refused(data, path, message)
    assert time.process_time() - start < 3
    tracemalloc.start()
    try:
        refused(data, path, message)
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()


def put(*keys: Any, value: Any) -> Edit:
    """Set document[key][key]... to a value."""

    def edit(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return edit


def drop(*keys: Any) -> Edit:
    def edit(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return edit


HEADER = members_of(GOOD)[0][1]
