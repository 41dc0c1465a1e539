"""What a path that is no set of vectors is, and what to give in its place."""

from __future__ import annotations

from pathlib import Path

MOST_NAMED = 3
"""Sets that an error names."""


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
