"""Where compiled kernels lie between processes, and what must hold before one is used: what lies there is executed.

A folder of the user's cache that is this user's, that nobody else can write, and that no link leads to; files of the
same kind that hash to what their first bytes say. Anything else is as if nothing were there: the kernels are compiled
once more, which takes seconds, and is never an error. Other files in that folder are left alone.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from platformdirs import user_cache_path

FOLDER = "INTINFER_CACHE_DIR"
"""The environment's name for a folder instead of the user's; empty for none."""
MOST = 2_000
"""Kernels that are kept. Those of older sources are used no more; when there are too many the older half goes."""
_SUFFIX = ".kernel"
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_DIGEST = hashlib.sha256().digest_size


def path() -> Path | None:
    """The folder, whether it is there or not; None when the environment says that there is none."""
    chosen = os.environ.get(FOLDER)
    if chosen is None:
        return user_cache_path("intinfer") / "kernels"
    return Path(chosen) / "kernels" if chosen else None


def read(key: str) -> bytes | None:
    """What was written for this key, if it may be used."""
    folder = _folder(path())
    if folder is None:
        return None
    content = b""
    with suppress(OSError):
        number = os.open(folder / f"{key}{_SUFFIX}", os.O_RDONLY | _PLAIN)
        try:
            found = os.fstat(number)
            if stat.S_ISREG(found.st_mode) and _ours(found):
                with open(number, "rb", closefd=False) as file:
                    content = file.read()
        finally:
            os.close(number)
    return content[_DIGEST:] if hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST] else None


def write(key: str, content: bytes) -> None:
    """Keep some bytes, if there is where."""
    folder = _folder(path())
    if folder is None:
        return
    with suppress(OSError):
        number, name = tempfile.mkstemp(suffix=_SUFFIX, prefix="new-", dir=folder)
        try:
            with open(number, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            os.replace(name, folder / f"{key}{_SUFFIX}")
        except OSError:
            os.unlink(name)
            raise
        files = sorted(_kernels(), key=lambda entry: entry[1].st_mtime)
        for old, _ in files[: MOST // 2] if len(files) > MOST else ():
            old.unlink(missing_ok=True)


def size() -> tuple[int, int]:
    """How many kernels there are, and their bytes."""
    sizes = [found.st_size for _, found in _kernels()]
    return len(sizes), sum(sizes)


def clear() -> None:
    """Remove them all. Raises OSError for a file that cannot be removed."""
    for file, _ in _kernels():
        file.unlink(missing_ok=True)


def _kernels() -> Iterator[tuple[Path, os.stat_result]]:
    """The kernels that lie there: what else does is not ours."""
    folder = path()
    if folder is None or not folder.is_dir() or _folder(folder) is None:
        return
    for file in folder.glob(f"*{_SUFFIX}"):
        with suppress(FileNotFoundError):  # another process is at it
            found = os.lstat(file)
            if stat.S_ISREG(found.st_mode) and _ours(found):
                yield file, found


@lru_cache(maxsize=4)
def _folder(wanted: Path | None) -> Path | None:
    """The folder, made where it is missing, if what lies in it may be executed."""
    if wanted is None:
        return None
    try:
        wanted.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        wanted.mkdir(mode=0o700, exist_ok=True)
        found = os.lstat(wanted)
    except OSError:
        return None
    return wanted if stat.S_ISDIR(found.st_mode) and _ours(found) else None


def _ours(found: os.stat_result) -> bool:
    """This user's, and nobody else may write it. On Windows a user's folders are."""
    return sys.platform == "win32" or (found.st_uid == os.geteuid() and not found.st_mode & 0o022)
