"""Files that are written whole or not at all, and whose errors say which file it was."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .parent import orphaned


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Give an OSError of the body that says of no file, such as that of a full disk, the name of `path`."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` atomically: what was there stays whole until the new file is on the disk.

    Raises OSError that names `path`: its folder is missing or not writable, the disk is full, it is no regular file.
    """

    def write(part: Path) -> None:
        with open(part, "xb") as file:
            file.write(data)

    replace_file(path, write)


def replace_file(path: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Replace a file as `write_file` does, with what `write` puts into the new file it is given, which has the same
    suffix and lies in the same folder."""
    target = Path(os.path.realpath(path))
    part = target.with_name(f".intinfer-{secrets.token_hex(8)}.part{target.suffix}")
    try:
        if target.exists() and not target.is_file():
            raise OSError(None, "it is a directory" if target.is_dir() else "it is not a regular file")
        if not target.parent.is_dir():
            raise OSError(None, f"there is no folder {target.parent}; create it first")
        write(part)
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        if orphaned():
            raise OSError(None, "the process that asked for it has ended")
        os.replace(part, target)
    except OSError as error:
        error.filename, error.filename2 = os.fspath(path), None
        raise
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_into(path: Path, data: bytes) -> None:
    """Write a file of a folder that is not in its place yet. Raises OSError that names it."""
    with naming(path):
        path.write_bytes(data)
