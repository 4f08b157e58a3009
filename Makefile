# `make demo` and `make test` set up what they need: a virtual environment with a CPU build of torch, and
# (through apt, when missing and allowed) Java, ImageJ, Xvfb and, for the tests, Chromium.
#
#   make demo    runs the main job on a simulated stack and says where the report is
#   make test    runs all tests, in two processes (TEST_PROCESSES=1 for one)
#   make explore property tests on examples never tried before
#   make lint    ruff, mypy, import contract, known vulnerabilities of what is installed
#   make docs    the pages as a site
#   make bench   timings, see benchmarks/
#
# Another Python: make demo PYTHON=python3.12. Another place: make demo VENV=folder.
# Another torch: make demo TORCH="torch --index-url URL", with the URL of PyTorch's own page for your machine.
# By itself pip takes a CPU build if its configuration names a place that has one (index or find-links), else
# the package index's own wheel, which on Linux is the CUDA build: larger, but it works without a GPU too.

PYTHON ?= python3
VENV ?= .venv
TEST_PROCESSES ?= 2
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test explore lint docs bench clean setup setup-dev system system-test

demo: setup system
	$(BIN)/dlsim doctor || true
	$(BIN)/dlsim run examples/demo_raw.tif -o demo_out --frc --truth examples/demo_truth.tif --overwrite
	@echo "Open $(CURDIR)/demo_out/report.html in a browser."

test: setup-dev system-test
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile $(PYTEST_ARGS)

explore: setup-dev
	HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest -m hypothesis $(PYTEST_ARGS)

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/audit.py

bench: setup-dev system
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/worker.py
	$(BIN)/python benchmarks/macro_call.py
	$(BIN)/python benchmarks/bridge.py
	$(BIN)/python benchmarks/resize.py
	$(BIN)/python benchmarks/decorrelation.py
	$(BIN)/python benchmarks/squirrel.py
	$(BIN)/python benchmarks/resolution_stack.py
	$(BIN)/python benchmarks/frc.py
	$(BIN)/python benchmarks/resampling_guard.py 12
	$(BIN)/python benchmarks/resolution_spread.py 40
	$(BIN)/python benchmarks/measuring.py
	$(BIN)/python benchmarks/srrf.py
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/simulation.py
	$(BIN)/python benchmarks/prepare.py
	$(BIN)/python benchmarks/training_overheads.py

clean:
	rm -rf $(VENV) demo_out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache docs/_build docs/api

setup: $(VENV)/.installed
setup-dev: $(VENV)/.installed-dev

# torch first: once a CPU build is there, nothing asks for the gigabytes of another one
$(VENV)/.installed: setup.cfg pyproject.toml
	@sh .ci/system-packages venv
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

system:
	@sh .ci/system-packages java imagej xvfb

system-test:
	@sh .ci/system-packages java javac imagej xvfb chromium

# the pages as a site, docs/_build/html; a warning is an error
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -n -q docs docs/_build/html
	@echo "Open $(CURDIR)/docs/_build/html/index.html in a browser."

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	touch $@
