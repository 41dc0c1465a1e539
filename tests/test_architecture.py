"""The rules that hold the packages together, read from their source: who imports whom, and what never appears."""

import ast
import fnmatch
import importlib.metadata
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
ROOTS = {
    "intinfer": REPOSITORY,
    "intinfer_converters": REPOSITORY / "converters",
    "intinfer_golden": REPOSITORY / "golden",
}
FILES = sorted((path, root) for package, root in ROOTS.items() for path in (root / package).rglob("*.py"))
MODULES = {path.relative_to(root).with_suffix("").as_posix(): path for path, root in FILES}
"""Module path without suffix ("intinfer/ops/add") -> file."""

TORCH_MODULES = {
    "intinfer_converters/" + name
    for name in (
        *("checkpoint", "cost", "nets/__init__", "nets/base", "nets/layers"),
        *("check/aten_runner", "read_aten/*"),
        *("nets/mdgnet", "nets/mognet", "nets/ops", "train", "train_data"),
    )
}
"""The only modules that know torch and safetensors."""

THIRD_PARTY = {
    "numpy": ["*"],
    "PIL": ["intinfer/images/image"],
    "tqdm": ["intinfer/cli/*", "intinfer_converters/train"],
    "numba": ["intinfer/kernels/*", "intinfer/engine/*"],
    "platformdirs": ["intinfer/kernels/store"],
    "matplotlib": ["intinfer/reports/plot"],
    "llvmlite": ["intinfer/kernels/*"],
    "onnx": ["intinfer_converters/read_onnx/*", "intinfer_converters/check/onnx_*"],
    "google": ["intinfer_converters/read_onnx/load"],
    "onnxruntime": ["intinfer_converters/check/onnx_runner"],
    "torch": sorted(TORCH_MODULES),
    "safetensors": sorted(TORCH_MODULES),
    "hypothesis": ["intinfer/strategies"],
    "threadpoolctl": ["intinfer_golden/make/blas"],
    "pylibfst": ["intinfer_golden/verification/dumps/fst_child"],
}
"""Distribution -> the modules that may import it, at the top or inside a function."""

EXACT = ["intinfer/ops/*", "intinfer/spec/*", "intinfer/bounds/*"] + [
    f"intinfer/{name}"
    for name in (
        *("accumulator", "automaton", "build_arguments", "build_ops", "builder", "files/packing", "graph", "inputs"),
        *("reference", "rounding", "tensor", "types"),
    )
]
"""Modules in which no floating point appears. The reference's one use of it is declared: intinfer/matmul."""


@dataclass(frozen=True)
class Import:
    """`late`: inside a function or under TYPE_CHECKING, so that importing the module does not run it."""

    name: str
    late: bool


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"), str(MODULES[module]))


@cache
def imports(module: str) -> list[Import]:
    """What a module imports, as absolute dotted names; `from a import b` gives a.b, module or not."""
    found: list[Import] = []
    _collect(parsed(module), module, False, found)
    return found


def _collect(tree: ast.AST, module: str, late: bool, found: list[Import]) -> None:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, late) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (module.split("/")[: -node.level] if node.level else []) + (node.module or "").split(".")
            found += [Import(".".join(filter(None, [*base, alias.name])), late) for alias in node.names]
        else:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            _collect(node, module, late or inside or checking, found)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def offenders(pattern: str, *forbidden: str) -> list[str]:
    """Imports of a forbidden package, early or late, by the modules that match `pattern`."""
    return [
        f"{module} imports {found.name}"
        for module in fnmatch.filter(MODULES, pattern)
        for found in imports(module)
        if any(within(found.name, package) for package in forbidden)
    ]


def test_the_reader_of_imports_sees_every_form():
    source = (
        "import a.b\nfrom . import c\nfrom ..d import e\nfrom f import g\n"
        "if TYPE_CHECKING:\n    import h\ntry:\n    import i\nexcept E:\n    pass\n"
        "class K:\n    def m(self):\n        from .j import k\n"
    )
    found: list[Import] = []
    _collect(ast.parse(source), "p/q/r", False, found)
    early = {"a.b", "p.q.c", "p.d.e", "f.g", "i"}
    assert {item.name for item in found if not item.late} == early
    assert {item.name for item in found if item.late} == {"h", "p.q.j.k"}


def test_every_package_is_looked_at():
    assert {module.split("/")[0] for module in MODULES} == set(ROOTS)
    assert {"intinfer/ops/conv2d", "intinfer/reference", "intinfer_converters/lower"} <= set(MODULES)


def test_the_core_imports_upward_only_in_the_command_line():
    """Whose verbs are imported when they are called."""
    wrong = [
        f"{module} imports {found.name}"
        for module in fnmatch.filter(MODULES, "intinfer/*")
        for found in imports(module)
        if any(within(found.name, package) for package in ("intinfer_converters", "intinfer_golden"))
        and not module.startswith("intinfer/cli/")
    ]
    assert not wrong


def test_converters_and_golden_do_not_know_each_other_nor_the_command_line():
    assert not offenders("intinfer_converters/*", "intinfer_golden", "intinfer.cli")
    assert not offenders("intinfer_golden/*", "intinfer_converters", "intinfer.cli")


def test_a_set_is_described_apart_from_who_makes_it_and_who_compares_with_it():
    makes, verifies = "intinfer_golden.make", "intinfer_golden.verification"
    assert not offenders("intinfer_golden/describe/*", makes, verifies, "intinfer_golden.ops")
    assert not offenders("intinfer_golden/designs/*", makes, verifies, "intinfer_golden.ops")
    assert not offenders("intinfer_golden/make/*", verifies)
    assert not offenders("intinfer_golden/verification/*", makes)
    assert not offenders("intinfer_golden/ops/*", verifies)
    folders = {module.split("/")[1] for module in MODULES if module.startswith("intinfer_golden/")}
    assert folders == {"__init__", "describe", "designs", "make", "verification", "ops", "testbench", "mutants"}


def test_the_specification_and_the_reference_know_nothing_fast():
    fast = [f"intinfer.{name}" for name in ("kernels", "engine", "compiler", "model", "model_file", "cli")]
    assert not offenders("intinfer/ops/*", *fast, "intinfer.reference")
    assert not offenders("intinfer/reference", *fast)
    assert not offenders("intinfer/matmul", *fast)


def test_nothing_imports_the_command_line_but_itself():
    own = ("intinfer/cli/", "intinfer/__main__ ")
    assert not [line for line in offenders("*", "intinfer.cli") if not line.startswith(own)]


def test_third_party_packages_stay_where_they_belong():
    own = set(ROOTS) | set(sys.stdlib_module_names)
    wrong = [
        f"{module} imports {found.name}"
        for module in MODULES
        for found in imports(module)
        if (package := found.name.split(".")[0]) not in own
        and not any(fnmatch.fnmatch(module, pattern) for pattern in THIRD_PARTY.get(package, []))
    ]
    assert not wrong


def test_imports_run_one_way():
    """No cycle among the imports that run when a module is imported."""
    names = {module.removesuffix("/__init__").replace("/", "."): module for module in MODULES}

    def known(name: str) -> str | None:
        """The module that a dotted name stands for or lies in."""
        while name and name not in names:
            name = name.rpartition(".")[0]
        return name or None

    needs = {
        name: {known(found.name) for found in imports(module) if not found.late} - {None, name}
        for name, module in names.items()
    }
    assert needs["intinfer.reference"] == {f"intinfer.{name}" for name in ("errors", "graph", "inputs", "types")}
    assert len(list(TopologicalSorter(needs).static_order())) == len(names)  # raises CycleError, naming the cycle


def forged(tree: ast.AST) -> Iterator[str]:
    """Calls that make a graph or change one without its type rules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called, keywords = ast.unparse(node.func), {keyword.arg for keyword in node.keywords}
            graph = called.split(".")[-1] in ("Graph", "_finished")
            if graph or (called.split(".")[-1] == "replace" and keywords & {"inputs", "nodes", "outputs", "classes"}):
                yield f"{node.lineno}: {ast.unparse(node)}"


def test_the_detector_of_forged_graphs_sees_them():
    for text in (
        "Graph((), (), ())",
        "graph.Graph(a, b, c)",
        "Graph._finished(inputs=())",
        "replace(g, nodes=n)",
        "dataclasses.replace(g, outputs=o)",
    ):
        assert list(forged(ast.parse(text))), text
    assert not list(forged(ast.parse("replace(op, thresholds=t)\nisinstance(x, Graph)\ngraph.with_nodes(n)")))


def test_the_builder_is_the_only_way_to_make_a_graph():
    knows = [m for m in MODULES if any(found.name == "intinfer.graph.Graph" for found in imports(m))]
    assert len(knows) > 20
    found = {m for m in knows if list(forged(parsed(m)))}
    assert found == {"intinfer/builder"}


def floats(tree: ast.AST) -> Iterator[str]:
    """Every trace of floating point: literals, the type, NumPy's float names and functions, true division."""
    words = ("float", "double", "half", "single", "complex", "divide", "true_divide", "mean", "average", "sqrt")
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"{line}: {node.value}"
        elif isinstance(node, ast.Name) and node.id in ("float", "complex"):
            yield f"{line}: {node.id}"
        elif isinstance(node, ast.Attribute) and (node.attr in words or node.attr.startswith(("float", "complex"))):
            yield f"{line}: .{node.attr}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"{line}: /"


def test_the_detector_of_floats_sees_them():
    for text in ("x = 0.5", "float(x)", "np.float64(x)", "x / 2", "x /= 2", "x.mean()", "x.astype(np.double)", "1j"):
        assert list(floats(ast.parse(text))), text
    assert not list(floats(ast.parse("x = y // 2 + (1 >> 3)  # 0.5\n'a / 0.5'")))


def test_no_floating_point_where_the_bits_are_defined():
    exact = {module for pattern in EXACT for module in fnmatch.filter(MODULES, pattern)}
    assert len(exact) >= len(EXACT)
    found = [f"{module}:{text}" for module in sorted(exact) for text in floats(parsed(module))]
    assert not found
    assert list(floats(parsed("intinfer/matmul")))  # the declared exception is one


BANNED_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
BANNED_NAMES = {"eval", "exec", "__import__"}
BANNED_ARGUMENTS = {"allow_pickle=True", "weights_only=False"}


def dangers(tree: ast.AST) -> Iterator[str]:
    """What runs code from data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bad = any(alias.name.split(".")[0] in BANNED_MODULES for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            bad = (node.module or "").split(".")[0] in BANNED_MODULES
        elif isinstance(node, ast.Name):
            bad = node.id in BANNED_NAMES
        elif isinstance(node, ast.keyword):
            bad = ast.unparse(node) in BANNED_ARGUMENTS
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            bad = "weights_only=True" not in [ast.unparse(keyword) for keyword in node.keywords]
        else:
            bad = False
        if bad:
            yield f"{node.lineno}: {ast.unparse(node)}"


def test_the_detector_of_dangers_sees_them():
    for text in (
        *("import pickle", "from pickle import loads", "import os, marshal", "eval(x)", "f = exec"),
        *("np.load(p, allow_pickle=True)", "torch.load(p, weights_only=False)", "torch.load(p)"),
    ):
        assert list(dangers(ast.parse(text))), text
    for text in ("model.eval()", "np.load(p, allow_pickle=False)", "torch.load(p, weights_only=True)"):
        assert not list(dangers(ast.parse(text))), text


KEEPS_MACHINE_CODE = "intinfer/kernels/compiled"
"""What this user's own processes compiled, from a folder that nobody else can write; see `kernels/store.py`."""


def test_no_package_runs_code_from_data():
    found = [f"{module}:{text}" for module in MODULES for text in dangers(parsed(module))]
    assert [text.partition(":")[0] for text in found] == [KEEPS_MACHINE_CODE], found


def test_every_file_is_under_500_lines():
    folders = [root / package for package, root in ROOTS.items()] + [REPOSITORY / "tests"]
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for f in folders for path in f.rglob("*.py")}
    assert not {str(path.relative_to(REPOSITORY)): count for path, count in lines.items() if count >= 500}


BLOCKED = """
import importlib, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "safetensors", "onnx", "onnxruntime", "hypothesis"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
for name in sys.argv[1:]:
    importlib.import_module(name)
loaded = {"torch", "safetensors", "onnx", "onnxruntime", "hypothesis"} & set(sys.modules)
assert not loaded, loaded
print(len(sys.argv) - 1)
"""


def test_the_core_imports_without_torch_onnx_and_hypothesis():
    kept = [module for module in MODULES if module.startswith(("intinfer/", "intinfer_golden/"))]
    kept.remove("intinfer/strategies")
    names = [module.removesuffix("/__init__").replace("/", ".") for module in kept if not module.endswith("__main__")]
    command = [sys.executable, "-c", BLOCKED, *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=REPOSITORY)
    assert (done.stderr, done.stdout.strip()) == ("", str(len(names)))


def packaging():
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def test_the_installed_distribution_claims_three_names():
    names = importlib.metadata.distribution("intinfer").read_text("top_level.txt")
    assert set((names or "").split()) == set(ROOTS)


def test_the_wheel_holds_every_module_and_no_other_top_level_name():
    setuptools = pytest.importorskip("setuptools")
    find = packaging()["packages"]["find"]
    packages = {
        package
        for where in find["where"]
        for package in setuptools.find_namespace_packages(str(REPOSITORY / where), include=find["include"])
    }
    assert {package.split(".")[0] for package in packages} == set(ROOTS)
    assert {path.parent.relative_to(root).as_posix().replace("/", ".") for path, root in FILES} <= packages


def test_the_normative_text_is_package_data():
    patterns = packaging()["package-data"]["intinfer"]
    texts = {f"spec/{path.name}" for path in (REPOSITORY / "intinfer" / "spec").glob("*.md")}
    assert {"spec/ops.md", "spec/types.md"} <= texts
    assert all(any(fnmatch.fnmatch(text, pattern) for pattern in patterns) for text in texts)
