"""Files are written whole or not at all, and a write that fails says which file it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import tiny_graph, tiny_images, write_png

import intinfer
from intinfer.files import atomic as files


def test_the_error_of_a_body_gets_a_name_and_keeps_one() -> None:
    with pytest.raises(OSError, match="No s") as caught, files.naming("a.bin"):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == "a.bin"
    with pytest.raises(OSError, match="No s") as caught, files.naming("a.bin"):
        raise FileNotFoundError(2, "No such file", "b.bin")
    assert caught.value.filename == "b.bin"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    files.write_file(path, b"old")
    files.write_file(path, b"new")

    def half(part: Path) -> None:
        part.write_bytes(b"ha")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space") as caught:
        files.replace_file(path, half)
    assert (caught.value.filename, caught.value.strerror) == (str(path), "No space left on device")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.skipif(sys.platform != "linux", reason="ulimit -f is the shell's")
@pytest.mark.parametrize(
    ("verb", "named"),
    [
        ("golden model.npz a.png -o set", "set.partial/"),
        ("golden model.npz --isolated -o sets", "sets.partial/"),
        ("run model.npz a.png --trace values", "values.partial/"),
    ],
)
def test_a_full_disk_is_said_with_the_file(verb: str, named: str, tmp_path: Path) -> None:
    """Files of more than 1 KiB cannot be written, as on a disk that is nearly full."""
    intinfer.save(tiny_graph(), tmp_path / "model.npz")
    write_png(tmp_path / "a.png", tiny_images(1)[0])
    line = f"ulimit -f 1; exec '{sys.executable}' -m intinfer {verb}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    *_, error = done.stderr.splitlines()
    assert done.returncode == 2
    assert error.startswith("intinfer: error: " + named)
    assert error.endswith(": File too large")
    assert not (tmp_path / verb.rpartition(" ")[2]).exists()
