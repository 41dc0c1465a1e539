"""Folders that appear whole or not at all, and what a killed run leaves so that another goes on with it.

A set grows in `DIR.partial`. Its journal, `journal.json`, is replaced after some images: what the set is of
(`identity`), how many images are whole, and the length and SHA-256 of every file up to there. Data reaches the disk
before the journal that vouches for it. To go on, files are cut to the journal's lengths and hashed again.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intinfer.errors import DataError, IntinferError
from intinfer.files.atomic import naming

from ..describe import documents
from .replace import check_target, put_in_place

NAME = "journal.json"
_NEW = "journal.new"
_FORMAT = "intinfer-golden-journal"
_VERSION = 1


class FolderError(DataError):
    """A folder that grows is not as its run left it, so that nothing in it is to be touched."""


@dataclass(frozen=True)
class SetJournal:
    """What is on disk.

    Attributes:
        identity: what decides the bytes of the set, by name; equal for a run that may go on.
        images: how many are whole in every file.
        tensors: of each tensor in order the lowest and highest value so far, and overflows or None.
        files: length and SHA-256 of each file that grows, by path inside the folder.
    """

    identity: Mapping[str, Any]
    images: int = 0
    tensors: list[list[int | None]] = field(default_factory=list)
    files: dict[str, list[Any]] = field(default_factory=dict)

    def write(self, directory: Path) -> None:
        """Replace the journal in `directory`; the files it speaks of are on disk already."""
        path = directory / NAME
        new = directory / _NEW
        with naming(path), open(new, "wb") as file:
            document = {"format": _FORMAT, "version": _VERSION, **vars(self)}
            file.write(json.dumps(document).encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        sync_folder(directory)


def read(directory: Path) -> SetJournal | None:
    """The journal in `directory`, or None. Raises DataError for one that is not ours."""
    path = directory / NAME
    if not path.is_file():
        return None
    remedy = f"remove {directory} first"
    document = documents.parse(path, remedy)
    try:
        ours = (document.pop("format"), document.pop("version")) == (_FORMAT, _VERSION)
        journal = SetJournal(**document)
        if not (ours and _sound(journal)):
            raise ValueError
        return journal
    except (ValueError, TypeError, LookupError, AttributeError):
        raise DataError(f"{path}: is no journal that this intinfer reads; {remedy}") from None


def _sound(journal: SetJournal) -> bool:
    """Whether its fields have the types that `write` gives them; a ValueError, TypeError or AttributeError says no."""
    whole = isinstance(journal.identity, dict) and _natural(journal.images)
    states = all(
        len(state) == 4 and all(number is None or type(number) is int for number in state) for state in journal.tensors
    )
    files = all(
        _natural(length) and isinstance(digest, str) and len(digest) == 64 for length, digest in journal.files.values()
    )
    return whole and states and files


def _natural(number: object) -> bool:
    return type(number) is int and number >= 0


def partial_of(directory: Path) -> Path:
    """Where a set grows."""
    return directory.with_name(directory.name + ".partial")


@contextmanager
def growing(
    directory: Path, identity: Mapping[str, Any], resume: bool, force: bool = False
) -> Iterator[tuple[Path, SetJournal]]:
    """The folder `directory`.partial with its journal; it becomes `directory` when the body ends, with `force` in the
    place of a set or index that stands there until then.

    With `resume` the body goes on with what a run of the same identity left, if there is anything. When the body
    raises an IntinferError, which it would raise again, the folder is removed; after another exception it is removed
    unless its journal has images, and after a FolderError never.

    Raises DataError when the folder is there without `resume`, of another identity, or another process makes it.
    """
    check_target(directory, force)
    partial = partial_of(directory)
    if partial.exists() and not resume:
        raise DataError(
            f"{partial}: is there already, from a run that was killed or still goes on; go on with it by --resume, or "
            "remove it first"
        )
    partial.mkdir(exist_ok=True)
    with _alone(partial):
        yield from _grown(directory, partial, identity, force)


def _grown(
    directory: Path, partial: Path, identity: Mapping[str, Any], force: bool
) -> Iterator[tuple[Path, SetJournal]]:
    journal = _found(partial, identity)
    if journal is None:
        journal = SetJournal(identity)
        try:
            journal.write(partial)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    (partial / _NEW).unlink(missing_ok=True)  # of a run that was killed just there
    try:
        yield partial, journal
        check_target(directory, force)
        old = put_in_place(partial, directory)
        (directory / NAME).unlink()  # last: a folder without it that is not whole could not be told from a whole one
        sync_folder(directory.parent)
        if old is not None:
            shutil.rmtree(old)
    except FolderError:
        raise
    except BaseException as error:
        kept = None if isinstance(error, IntinferError) else read(partial)
        if kept is None or not kept.images:
            shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def _alone(partial: Path) -> Iterator[None]:
    """Hold a folder that grows, so that no other process goes on with it at the same time."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    number = os.open(partial, os.O_RDONLY)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderError(f"{partial}: another process makes it just now; wait for it, or end it first") from None
        yield
    finally:
        os.close(number)


def complete(directory: Path, identity: Mapping[str, Any]) -> bool:
    """Whether `directory` is whole, from a run of this identity that was killed after it was, but for the journal.

    Raises DataError when it is of another identity.
    """
    journal = read(directory)
    if journal is None:
        return False
    _check_identity(directory, journal, identity)
    (directory / NAME).unlink()
    return True


def _found(partial: Path, identity: Mapping[str, Any]) -> SetJournal | None:
    """The journal to go on with; None when the other run was killed before it had one."""
    journal = read(partial)
    if journal is None:
        if any(path.name != _NEW for path in partial.iterdir()):
            raise DataError(f"{partial}: has no {NAME}, so nothing says what it is of; remove it first")
        return None
    _check_identity(partial, journal, identity)
    return journal


def _check_identity(directory: Path, journal: SetJournal, identity: Mapping[str, Any]) -> None:
    wanted = json.loads(json.dumps(identity))
    for key in sorted(wanted.keys() | journal.identity.keys()):
        if wanted.get(key) != journal.identity.get(key):
            raise DataError(
                f"{directory}: was begun with another {key}; repeat the command that began it with --resume, or remove "
                "the folder"
            )


def sync_folder(directory: Path) -> None:
    """Let the names in a folder reach the disk, where the system can."""
    if os.name == "posix":
        handle = os.open(directory, os.O_RDONLY)
        try:
            with naming(directory):
                os.fsync(handle)
        finally:
            os.close(handle)
