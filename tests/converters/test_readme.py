"""The README says what really happens: the demo's output, the shipped model, the verbs, the links."""

import re
import shlex
from pathlib import Path

import pytest

import intinfer
from intinfer.cli import VERBS, main
from intinfer.ops import OPS

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def console_blocks():
    """(command, output lines) of every `$ command` in the console blocks."""
    pairs = []
    for block in re.findall(r"```console\n(.*?)```", README, re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            pairs.append((command.split("#")[0].strip(), output.splitlines()))
    return pairs


def demo_commands(build):
    """The intinfer commands of `make demo`, with build/ elsewhere."""
    variables = dict(re.findall(r"^([A-Z_]+) \??:?= (.*)$", MAKEFILE, re.M))
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", MAKEFILE, re.M)[1]
    for line in recipe.splitlines():
        for name, value in variables.items():
            line = line.replace(f"$({name})", value)
        words = shlex.split(line)
        if words[0].endswith("/intinfer"):
            yield [re.sub(r"^build/", f"{build}/", word) for word in words[1:]]


def test_the_demo_prints_what_the_readme_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    for arguments in demo_commands(tmp_path):
        assert main(arguments) == 0
    printed = iter(capsys.readouterr().out.replace(str(tmp_path), "build").splitlines())
    shown = [line for line in dict(console_blocks())["make demo"] if line != "..."]
    assert len(shown) > 5
    for line in shown:
        assert line in printed, f"README shows, in this order, {line!r}"


def test_the_shipped_model_is_the_shipped_checkpoint_converted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    convert = next(iter(demo_commands(tmp_path)))
    assert convert[0] == "convert"
    assert main(convert) == 0
    capsys.readouterr()
    assert (tmp_path / "mognet.npz").read_bytes() == (ROOT / "intinfer/demo/mognet.npz").read_bytes()


def test_every_verb_is_shown_and_every_verb_shown_exists(capsys):
    shown = {command.split()[1] for command, _ in console_blocks() if command.startswith("intinfer ")}
    assert shown == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb, capsys):
    assert main([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert re.search(rf"examples?:\n  intinfer {verb}\b", text)


def test_every_op_is_in_the_table():
    table = README.split("## What it does")[1].split("\n## ")[0].lower()
    names = {kind.replace("_", " ") for kind in OPS}
    assert {name for name in names if name not in table} == set()


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_map_names_every_folder():
    code_map = README.split("## Map of the code")[1]
    for package in ("intinfer", "converters/intinfer_converters", "golden/intinfer_golden"):
        assert f"`{package}/`" in code_map
    for folder in sorted((ROOT / "intinfer").iterdir()):
        if folder.is_dir() and any(folder.glob("*.*")) and folder.name != "__pycache__":
            assert f"`intinfer/{folder.name}/`" in code_map


def test_the_version_is_in_the_changelog():
    assert f"## {intinfer.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
