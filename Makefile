# README's two commands live here: `make demo` and `make test`. Both need Python >= 3.11 and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where pip finds a CPU build of torch on x86-64: the address of PyTorch's CPU index. Empty: PyPI's build.
TORCH_INDEX ?=
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
ARGS ?=
# How many tests run at once. Each worker may hold a browser, a model and a sandbox: 2 to 3 GB.
JOBS ?= 2

.PHONY: demo test install lock screenshots

demo: install
	$(BIN)/ise-studio demo $(ARGS)

install: $(VENV)/.installed

test: $(VENV)/.installed-dev
	bash .ci/chromium
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/ise-studio weights
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

screenshots: $(VENV)/.installed-dev
	bash .ci/chromium
	$(BIN)/python -m tests.e2e.make_screenshots

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: Python >= 3.11 is needed: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	@bash .ci/venv $(PYTHON) $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.installed

# Takes the newest versions that fit pyproject.toml and writes them down.
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --editable '.[dev,local-model]' 'torch==2.13.0'
	{ echo "# The versions that every install takes: 'make install' passes this file to pip as its constraints."; \
	  echo "# Made anew with: make lock"; \
	  .venv-lock/bin/python -m pip freeze --all --exclude-editable | sed 's/+cpu//' | grep -v -i '^nvidia\|^triton\|^pip='; } > constraints.txt
	rm -rf .venv-lock
