"""Where a set or an index may be written: a new folder, or one that another set or index of ours gives way in."""

from __future__ import annotations

import ctypes
import os
import secrets
from collections.abc import Collection
from pathlib import Path

from intinfer.errors import DataError

from ..describe import documents, index, manifest

_FORMATS = {manifest.NAME: manifest.FORMAT, index.NAME: index.FORMAT}
_JOURNAL = "journal.json"
"""Of a run that was killed when all but this was done."""
_FILES = {manifest.NAME, _JOURNAL, manifest.GRAPH, "coverage.json", "coverage.txt", "coverage.html"}
_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux."""
_FOLDERS = {"values", "demand", "constants", "bench"}


def check_target(directory: Path, force: bool) -> None:
    """Raise DataError unless `directory` can be made: absent or empty, in a folder that exists.

    With `force` it may also hold a set or an index, and nothing that does not belong to it. What stands in a set's
    `bench` belongs to the bench.
    """
    if directory.is_symlink() or not directory.is_dir() or not any(directory.iterdir()):
        check_new_directory(directory)
    elif force:
        _check_ours(directory)
    else:
        raise DataError(f"{directory}: exists and is not empty; give another name, or --force to replace a set")


def check_new_directory(directory: Path) -> None:
    """Raise DataError unless `directory` can be made: absent or empty, in a folder that exists."""
    if not directory.name:
        raise DataError(f"{directory}: is not the name of a new folder; give one")
    if not directory.parent.is_dir():
        raise DataError(f"{directory}: the folder {directory.parent} does not exist; create it first")
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise DataError(f"{directory}: exists and is not a folder; give another name")
    if directory.exists() and any(directory.iterdir()):
        raise DataError(f"{directory}: exists and is not empty; give another name or remove it")


def put_in_place(new: Path, directory: Path) -> Path | None:
    """Rename the folder `new` to `directory`; where something stands there, it is then renamed to what is returned.

    Where the system can exchange two folders, one of them is `directory` at any time. Elsewhere a process that is
    killed here leaves none, but both of them beside it.
    """
    if not directory.exists() or not any(directory.iterdir()):
        if directory.exists():
            directory.rmdir()  # Windows does not rename onto it
        new.rename(directory)
        return None
    old = directory.with_name(f"{directory.name}.{secrets.token_hex(4)}.old")
    if _exchanged(new, directory):
        try:
            new.rename(old)
        except BaseException:
            _exchanged(new, directory)
            raise
        return old
    directory.rename(old)
    try:
        new.rename(directory)
    except BaseException:
        old.rename(directory)
        raise
    return old


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange the names of two folders at once. False where the system or the file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):  # only Linux has it
        return False
    return bool(renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0)


def _check_ours(directory: Path) -> None:
    name = manifest.NAME if (directory / manifest.NAME).is_file() else index.NAME
    paths = _paths(directory / name)
    if paths is None:
        raise DataError(f"{directory}: is no folder that intinfer golden made; give another name or remove it")
    if name == index.NAME:
        _check_entries(directory, {index.NAME, _JOURNAL}, paths)
        for path in paths:
            _check_ours(directory / path)
        return
    benches = {path.name for path in directory.glob("bench.*") if path.suffix in (".partial", ".old")}  # of killed runs
    _check_entries(directory, _FILES, _FOLDERS | benches)
    for folder in sorted(_FOLDERS - {"bench"}):
        if (directory / folder).is_dir():
            _check_entries(directory / folder, {p.name for p in map(Path, paths) if p.parent.name == folder}, ())


def _check_entries(directory: Path, files: Collection[str], folders: Collection[str]) -> None:
    for entry in sorted(directory.iterdir()):
        known = folders if entry.is_dir() else files
        if entry.is_symlink() or entry.name not in known:
            raise DataError(f"{entry}: intinfer golden did not make it, and does not replace its folder; move it away")


def _paths(path: Path) -> list[str] | None:
    """The files of a manifest or the sets of an index, of whatever version; None when it is not ours."""
    try:
        document = documents.parse(path, documents.AGAIN)
        if document["format"] != _FORMATS[path.name]:
            return None
        if path.name == index.NAME:
            return [str(entry["path"]) for entry in document["sets"]]
        return [str(file["path"]) for tensor in document["tensors"] for file in tensor["files"]]
    except (OSError, LookupError, TypeError, DataError):
        return None
