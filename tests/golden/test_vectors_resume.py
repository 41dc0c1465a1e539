"""Killed and taken up again: the bytes are those of a run that nobody disturbed, or there is a refusal."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_sets import block_graph, bytes_of, images, write_unchecked
from helpers import trapping_graph

from intinfer.errors import DataError, RangeError
from intinfer_golden.make import journal, run
from intinfer_golden.make.frames import Frames, Stimulus

GRAPH = block_graph()
IMAGES = images(9)
FORMAT_LIST = ["coe", "mif", "npy"]  # two with a footer; without memh there is no bench to write again


class Killed(BaseException):
    """What no code of ours catches on purpose."""


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MAX_BATCH", 2)
    monkeypatch.setattr(run, "CHECKPOINT_SECONDS", 0.0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Of an undisturbed run in one batch."""
    return bytes_of(write(tmp_path_factory.mktemp("whole") / "t"))


def write(target: Path, **options: Any) -> Path:
    images = options.pop("images", IMAGES)
    return write_unchecked(GRAPH, images, target, **{"formats": FORMAT_LIST, "fold": 3, **options})


def dying(after: int, error: type[BaseException] = Killed) -> Callable[[int], None]:
    """A progress that ends the run once so many images are done."""

    def progress(done: int) -> None:
        if done >= after:
            raise error

    return progress


def kill(target: Path, after: int = 4, **options: Any) -> Path:
    """A run that died; its partial folder."""
    with pytest.raises(Killed):
        write(target, progress=dying(after), **options)
    return target.with_name(target.name + ".partial")


@pytest.mark.parametrize("seed", range(6))
def test_any_kills_and_torn_writes_are_made_good(tmp_path: Path, whole: dict[str, bytes], seed: int) -> None:
    """What a kill leaves beyond the journal is cut off: half-written pieces, a later manifest, a later bench."""
    target, partial, rng = tmp_path / "t", tmp_path / "t.partial", random.Random(seed)
    for after in sorted(rng.sample(range(1, 10), 3)):
        junk = rng.randbytes(rng.randrange(40))
        seen: list[int] = []

        def progress(done: int, after: int = after, seen: list[int] = seen) -> None:
            seen.append(done)
            if done >= after:
                raise Killed

        with pytest.raises(Killed):
            write(target, resume=True, progress=progress)
        if not partial.exists():  # nothing was done, so nothing was left
            continue
        kept = journal.read(partial)
        assert kept is not None
        assert kept.images in seen
        grown = [partial / name for name in kept.files]
        for file in rng.sample(grown, 5):
            with open(file, "ab") as stream:
                stream.write(junk)
        (partial / "manifest.json").write_bytes(junk)
        (partial / "journal.new").write_bytes(junk)
    assert bytes_of(write(target, resume=True)) == whole


def test_batches_do_not_show(tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 64):
        monkeypatch.setattr(run, "MAX_BATCH", size)
        assert bytes_of(write(tmp_path / f"t{size}")) == whole


def test_progress_begins_with_what_was_done(tmp_path: Path) -> None:
    kill(tmp_path / "t", after=6)
    seen: list[int] = []
    write(tmp_path / "t", resume=True, progress=seen.append)
    assert seen == [6, 8, 9]


SCRIPT = """
import sys, time
from pathlib import Path
from golden_sets import block_graph, images, write_unchecked
from intinfer_golden.make import run
run.MAX_BATCH, run.CHECKPOINT_SECONDS = 1, 0.0
options = {"formats": sys.argv[2].split(","), "fold": 3, "resume": True}
write_unchecked(block_graph(), images(9), Path(sys.argv[1]), progress=lambda done: time.sleep(0.02), **options)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_process_that_is_killed(tmp_path: Path, whole: dict[str, bytes]) -> None:
    target, partial = tmp_path / "t", tmp_path / "t.partial"
    tests = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])}
    rng = random.Random(1)
    journalled = []
    for images_done in (1, 4):
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(target), ",".join(FORMAT_LIST)], env=environment)
        while (found := read_quietly(partial)) < images_done:
            assert process.poll() is None, "done before it was killed"
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not target.exists()
        journalled.append(found)
    assert journalled[0] < journalled[1]
    assert bytes_of(write(target, resume=True)) == whole


def read_quietly(partial: Path) -> int:
    found = journal.read(partial)
    return found.images if found else 0


def test_a_run_that_was_killed_when_it_was_done(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Renamed, with the journal still in it."""
    partial = kill(tmp_path / "t")
    left = (partial / "journal.json").read_bytes()
    write(tmp_path / "t", resume=True)
    (tmp_path / "t" / "journal.json").write_bytes(left)
    with pytest.raises(DataError, match="was begun with another set of options"):
        write(tmp_path / "t", resume=True, fold=2)
    write(tmp_path / "t", resume=True)
    assert bytes_of(tmp_path / "t") == whole


def test_a_folder_without_a_journal_yet(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Killed before there was one: nothing is lost by starting from the beginning."""
    (tmp_path / "t.partial").mkdir()
    (tmp_path / "t.partial" / "journal.new").touch()
    assert bytes_of(write(tmp_path / "t", resume=True)) == whole


# ------------------------------------------------------------------------------------------------------- what is kept


def test_an_interrupt_keeps_what_is_journalled_and_an_error_of_the_input_nothing(tmp_path: Path) -> None:
    partial = tmp_path / "t.partial"
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "t", progress=dying(0, KeyboardInterrupt))
    assert not partial.exists()
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "t", progress=dying(2, KeyboardInterrupt))
    assert read_quietly(partial) == 2
    batch = np.stack([np.zeros((3, 8, 8), int)] * 5 + [np.full((3, 8, 8), 255)])
    with pytest.raises(RangeError, match=r"^image 5 \(images counted from 0\): node 'conv' "):
        write_unchecked(trapping_graph(), batch, tmp_path / "u")
    assert [path.name for path in tmp_path.iterdir()] == ["t.partial"]


def test_what_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "t"
    partial = kill(target)
    other = GRAPH.nodes[-1].name
    refusals: list[tuple[dict[str, Any], str]] = [
        (
            {"resume": False},
            f"{partial}: is there already, from a run that was killed or still goes on; go on with it by --resume, or "
            "remove it first",
        ),
        *(
            ({"resume": True, **options}, another(partial, key))
            for options, key in [
                ({"fold": 2}, "set of options"),
                ({"order": "nchw"}, "set of options"),
                ({"nodes": [other]}, "set of options"),
                ({"formats": ["npy"]}, "set of options"),
                ({"options": {"fit": "crop"}}, "set of options"),
                ({"images": Stimulus(IMAGES, list("abcdefghi"))}, "choice of images"),
                ({"images": Stimulus(IMAGES, seed=1)}, "choice of images"),
                ({"images": Stimulus(IMAGES, rounds=1)}, "number of rounds"),
            ]
        ),
    ]
    before = bytes_of(partial)
    for options, message in refusals:
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            write(target, **options)
    with pytest.raises(DataError, match=f"^{re.escape(another(partial, 'input'))}$"):
        write_unchecked(GRAPH, IMAGES[::-1], target, formats=FORMAT_LIST, fold=3, resume=True)
    assert bytes_of(partial) == before
    document = json.loads((partial / "journal.json").read_text())
    for key in ("model", "version of intinfer"):
        changed = document | {"identity": document["identity"] | {key: "other"}}
        (partial / "journal.json").write_text(json.dumps(changed))
        with pytest.raises(DataError, match=f"^{re.escape(another(partial, key))}$"):
            write(target, resume=True)


def another(partial: Path, key: str) -> str:
    return (
        f"{partial}: was begun with another {key}; repeat the command that began it with --resume, or remove the folder"
    )


def test_files_that_are_not_what_the_journal_says(tmp_path: Path) -> None:
    target = tmp_path / "t"
    file = kill(target) / "values" / "act.npy"
    data = file.read_bytes()
    message = f"{file}: is not what the journal beside it says; remove the folder and begin again"
    for wrong in (data[:-1], data[:-1] + bytes([data[-1] ^ 1]), None):
        if wrong is None:
            file.unlink()
        else:
            file.write_bytes(wrong)
        before = bytes_of(tmp_path)
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            write(target, resume=True)
        assert bytes_of(tmp_path).keys() == before.keys()  # nothing is removed
    partial = target.with_name("t.partial")
    (partial / "journal.json").write_text("{}")
    message = f"{partial / 'journal.json'}: is no journal that this intinfer reads; remove {partial} first"
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        write(target, resume=True)
    (partial / "journal.json").unlink()
    message = f"{partial}: has no journal.json, so nothing says what it is of; remove it first"
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        write(target, resume=True)


def test_two_that_write_at_once_are_noticed(tmp_path: Path) -> None:
    file = tmp_path / "t.partial" / "values" / "act.npy"

    def progress(done: int) -> None:
        if done == 4:
            with open(file, "ab") as stream:
                stream.write(b"!")

    with pytest.raises(DataError) as caught:
        write(tmp_path / "t", progress=progress)
    assert str(caught.value) == f"{file}: something else writes to it; let one command at a time make the set"
    assert file.is_file()  # and belongs to the other


def test_images_that_change_while_they_are_read(tmp_path: Path) -> None:
    reads = []

    def read(start: int, stop: int) -> dict[str, np.ndarray]:
        reads.append((start, stop))
        array = IMAGES[start:stop].copy()
        if len(reads) > 3:
            array[0, 0, 0, 0] ^= 1
        return {"image": array}

    with pytest.raises(DataError) as caught:
        write_unchecked(GRAPH, Frames(9, read), tmp_path / "t")  # type: ignore[arg-type]
    assert str(caught.value) == "images 4 to 5 changed while vectors were made of them; begin again"
    assert reads == [(0, 9), (0, 2), (2, 4), (4, 6)]
    assert list(tmp_path.iterdir()) == []
