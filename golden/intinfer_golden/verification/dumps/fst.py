"""FST files as value change dumps: the C library that reads them runs in a child, as a damaged file may crash it."""

from __future__ import annotations

import importlib.util
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from intinfer.errors import DataError
from intinfer.files import children

from .foreign import blocks_of, opened

_CHILD = Path(__file__).with_name("fst_child.py")
_HEADER, _SKIP, _PACKED = 0, 255, 254
_HEADER_LENGTH = 329


def fst_blocks(path: Path) -> Iterator[bytes]:
    """The text of a value change dump with all that an FST file holds, in blocks as `foreign.text_blocks` gives them.

    The child ends with this iterator. Raises DataError for a file that is cut or that the library cannot read,
    ModuleNotFoundError without the package pylibfst.
    """
    _check(path)
    if importlib.util.find_spec("pylibfst") is None:
        raise ModuleNotFoundError("No module named 'pylibfst'", name="pylibfst")
    command = [sys.executable, "-P", str(_CHILD), os.path.abspath(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with children.child(command, environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        yield from blocks_of(cast("BinaryIO", child.stdout), path)
        code = child.wait()
    if code != 0:
        raise DataError(f"{path}: is no readable FST file; write it again, or dump a .vcd")


def is_fst(path: Path) -> bool:
    """Whether a file begins as an FST file does, whatever its name."""
    with opened(path) as file:
        return file.read(9) == struct.pack(">BQ", _HEADER, _HEADER_LENGTH)


def _check(path: Path) -> None:
    """A file is a chain of blocks, each with its length: nothing of it is missing, and nothing follows."""
    with opened(path) as file:
        size, place, first = os.fstat(file.fileno()).st_size, 0, True
        while place < size:
            file.seek(place)
            head = file.read(9)
            kind, length = struct.unpack(">BQ", head) if len(head) == 9 else (_SKIP, 0)
            bad = first and (kind not in (_HEADER, _PACKED) or (kind == _HEADER and length != _HEADER_LENGTH))
            if bad or length < 8 or place + 1 + length > size or kind == _SKIP:
                raise DataError(
                    f"{path}: is no whole FST file (its byte {place:,}); end the simulation before it is read, or dump "
                    "a .vcd"
                )
            place, first = place + 1 + length, False
        if first:
            raise DataError(f"{path}: is empty; end the simulation before it is read")
