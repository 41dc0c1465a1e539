"""`check --examples`: images drawn by Hypothesis; a failing one is shrunk and kept as files that replay it."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from intinfer.files.atomic import write_file
from intinfer.types import IntArray

from .checker import Checker
from .inputs import special_images
from .report import Mismatch


def check_examples(checker: Checker, count: int, seed: int = 0) -> tuple[IntArray, Mismatch] | None:
    """Check `special_images` and then `count` drawn images, into the checker's report.

    Returns:
        None when nothing mismatches; else the simplest image (C, H, W) found that does, and its first mismatch. The
        report then also has this image's counts. The same seed gives the same images.
    """
    from intinfer.strategies import falsify, images

    special = special_images(checker.graph, seed)
    failing = checker.add_each(special)
    total = checker.report

    def passes(image: IntArray) -> bool:
        checker.restart(total.images)
        if checker.add(image[None]):
            return False
        total.merge(checker.report)
        return True

    shrunk = falsify(passes, images(checker.graph), count, seed)
    image = shrunk if shrunk is not None else failing
    if image is None:
        checker.report = total
        return None
    checker.restart(total.images)
    checker.add(image[None])
    first = checker.report.first
    assert first is not None, "the source gives the same values for the same image"
    if shrunk is not None:
        total.merge(checker.report)
    checker.report = total
    return image, first


def save_reproducer(
    prefix: Path, image: IntArray, first: Mismatch, command: list[str], net: str | None
) -> tuple[Path, Path]:
    """Write PREFIX.npz (`images`) and PREFIX.json (node, mismatch, the command that replays it).

    Pictures are uint8 (1, H, W, C), other inputs int64 (1, *shape).
    """
    archive, text = prefix.with_name(f"{prefix.name}.npz"), prefix.with_name(f"{prefix.name}.json")
    buffer = io.BytesIO()
    picture = image.ndim == 3 and image.min() >= 0 and image.max() <= 255
    np.savez(buffer, images=image.transpose(1, 2, 0)[None].astype(np.uint8) if picture else image[None])
    mismatch: Mapping[str, object] = {**asdict(first), "image": 0}
    document = {
        "format": "intinfer-check-reproducer",
        "version": 1,
        "node": first.node,
        "net": net,
        "command": shlex.join([*command, "--data", str(archive)]),
        "mismatch": mismatch,
    }
    write_file(archive, buffer.getvalue())
    write_file(text, (json.dumps(document, indent=1) + "\n").encode())
    return archive, text
