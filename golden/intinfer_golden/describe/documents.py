"""The one place that reads the JSON files of a set: they may come from anywhere, so nothing is parsed unbounded.

And what a path that is no set of vectors is, and what to give in its place.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NoReturn

from intinfer.errors import DataError
from intinfer.files.strict_json import extent

MAX_BYTES = 2**26
"""Of a file: the manifest of a network of 10,000 nodes has 40 MB."""
MAX_ITEMS = 2**23
"""Values of a document."""
MAX_DEPTH = 32

MOST_NAMED = 3
"""Sets that an error names."""

AGAIN = "make the vectors again with intinfer golden"


def read(path: Path, format_: str, version: int, what: str) -> dict[str, Any]:
    """A document of a `format_` and `version` that says of itself what it is.

    `what` it is stands in the errors. Raises DataError for a file that is missing, too large, nested too deep, no JSON,
    or of another format or version.
    """
    document = parse(path, AGAIN)
    if not isinstance(document, dict) or document.get("format") != format_:
        raise DataError(f"{path}: is no {what}; give a folder that intinfer golden made")
    found = document.get("version")
    if type(found) is not int or found != version:
        said = found if type(found) is int else "none that is a number"
        raise DataError(f"{path}: has version {said}, this intinfer reads {version}")
    return document


def parse(path: Path, remedy: str) -> Any:
    """Any document. Raises DataError, which ends with the `remedy`, as `read`."""
    if not path.is_file():
        raise DataError(f"{path}: is no regular file; {remedy}")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: has {size:,} bytes, more than {MAX_BYTES:,}; {remedy}")
        text = file.read(MAX_BYTES)
    depth, items = extent(text)
    if depth > MAX_DEPTH or items > MAX_ITEMS:
        found = f"{depth} levels" if depth > MAX_DEPTH else f"{items:,} values"
        raise DataError(f"{path}: has {found}; there are at most {MAX_DEPTH} and {MAX_ITEMS:,}; {remedy}")
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_refuse)
    except ValueError:
        raise DataError(f"{path}: is not JSON; {remedy}") from None


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"{number} is no number of JSON")


def no_set(directory: Path, manifest: str) -> str:
    """Why there is no set in `directory`, which has no file `manifest`, and what to do, in one line."""
    wanted = "give a folder that intinfer golden made"
    if not directory.exists():
        partial = directory.with_name(f"{directory.name}.partial")
        cut = f"{partial} is of a run that was cut short, which golden --resume finishes"
        return f"{directory}: no such folder; {cut if partial.is_dir() else wanted}"
    what = f"has no {manifest}" if directory.is_dir() else "is a file"
    around = [path for path in (directory.parent, directory.parent.parent) if (path / manifest).is_file()]
    if around:
        return f"{directory}: {what}; give the set that it is a part of, {around[0]}"
    sets = sorted(path.parent for path in directory.glob(f"*/{manifest}"))
    if sets:
        more = f" or {len(sets) - MOST_NAMED} more" if len(sets) > MOST_NAMED else ""
        return f"{directory}: {what}, but its folders do; give one: {', '.join(map(str, sets[:MOST_NAMED]))}{more}"
    return f"{directory}: {what}; {wanted}"
