# Every command builds what it needs: `make demo` and `make test` work on a fresh clone with Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin
CLASSES := airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck
DEMO_NET := mognet:n=32,g=4,k=3

.PHONY: demo test test-core test-slow mutants onnx-table bench check clean

# The trained checkpoint becomes model.npz, which then classifies a photograph.
demo: .venv/installed
	mkdir -p build
	$(BIN)/intinfer convert intinfer/demo/mognet.safetensors --net $(DEMO_NET) --classes $(CLASSES) -o build/mognet.npz
	$(BIN)/intinfer run build/mognet.npz intinfer/demo/cat.png --fit resize

test: .venv/installed check test-core
	$(BIN)/python -m pytest -n 2 -m "not slow"

# The core alone, in an environment of its own that has neither torch nor onnx; what simulates, and most of the examples
# that Hypothesis draws, are left to `test`, which repeats all of it.
test-core: .venv-core/installed
	CI= WITHOUT_TOOLS=1 .venv-core/bin/python -m pytest -n 2 -m "not slow" --ignore tests/converters --ignore tests/onnx_tests --ignore tests/fuzz \
		--ignore tests/rtl --ignore-glob '*/test_testbench*' --ignore-glob '*/test_mutants*' tests intinfer golden

# Wrong designs that the vectors tell from the right one: needs iverilog, verilator and yosys; about an hour on two cores.
mutants: .venv/installed
	PYTHONPATH=tests $(BIN)/python tests/rtl/mutants.py

# Every applicable node test of the onnx package, converted and run: rewrites the table, fails when a result is wrong.
onnx-table: .venv/installed
	PYTHONPATH=tests $(BIN)/python tests/onnx_tests/node_table.py --write

# The fast engine beside other runtimes, which have an environment of their own.
bench: .venv-bench/installed
	.venv-bench/bin/python benchmarks/bench.py

test-slow: .venv/installed
	$(BIN)/python -m pytest -m slow

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[torch,onnx,plot,vcd,cocotb,dev]'
	touch $@

.venv-core/installed: pyproject.toml
	$(PYTHON) -m venv .venv-core
	.venv-core/bin/pip install --quiet --editable '.[hypothesis]' pytest pytest-xdist
	touch $@

.venv-bench/installed: pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --editable '.[torch,onnx]' openvino
	touch $@

clean:
	rm -rf .venv .venv-core .venv-bench build *.egg-info
