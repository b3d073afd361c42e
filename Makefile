# make demo   an installation of its own in .venv, the demonstration, and report.html
# make test   the tests, in the same .venv
#
# Needs a POSIX shell, GNU make >= 3.81 and a Python in the range below; PYTHON=... names one.
# Only the stamps decide what is installed again: delete .venv, or `make clean`, to start afresh.

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PYTEST_ARGS ?= -n 2
# The lowest and the newest versions of what bayesgmm needs, each by itself.
VENVS_VERSIONS := .venv-lowest .venv-newest
# gmmx and JAX, which only the benchmarks compare with, stay away from everything else.
VENV_JAX := .venv-jax

.PHONY: demo test test-slow test-slow-few test-versions test-lowest test-newest format format-check lint types notebooks notebooks-write docs bench ci clean force

demo: $(VENV)/.installed
	@rm -f report.html
	@echo "Fitting and sampling; the first time, compiling for it takes the better part of a minute"
	$(BIN)/bayesgmm demo
	@test -s report.html || { echo "bayesgmm demo left no report.html" >&2; exit 1; }
	@echo "The report: $$(pwd)/report.html"

test: $(VENV)/.installed-dev
	@# Compiling one model in two workers at once is slow, and has been racy: fill the caches first.
	@if [ -f tests/warm_caches.py ]; then $(PY) -m tests.warm_caches; fi
	$(PY) -m pytest $(PYTEST_ARGS)

test-slow: $(VENV)/.installed-dev
	$(PY) -m pytest -m slow $(PYTEST_ARGS)

# Of each kind of slow tests one, for CI; pytest refuses a name that is no longer there.
test-slow-few: $(VENV)/.installed-dev
	$(PY) -m pytest -m slow $(PYTEST_ARGS) @tests/slow_few.txt

# The tests of what other libraries do not promise, at both ends of the bounds in pyproject.toml.
test-versions: test-lowest test-newest

test-lowest: $(VENV)/.created
	$(PY) -m tests.bounds lowest .venv-lowest

test-newest: $(VENV)/.created
	$(PY) -m tests.bounds newest .venv-newest

format: $(VENV)/.installed-dev
	$(PY) -m ruff check --select I --fix .
	$(PY) -m ruff format .

format-check: $(VENV)/.installed-dev
	$(PY) -m ruff format --check .

lint: $(VENV)/.installed-dev
	$(PY) -m ruff check .

types: $(VENV)/.installed-dev
	$(PY) -m mypy

# Execute every notebook, and fail where one fails or its .ipynb is not its .py.
notebooks: $(VENV)/.installed-dev
	$(PY) notebooks/run.py

# Write every .ipynb anew, with its outputs, from its .py.
notebooks-write: $(VENV)/.installed-dev
	$(PY) notebooks/run.py --write

# The site, in docs/_build/html. It needs no network; a warning is an error.
docs: $(VENV)/.installed-docs
	$(PY) -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "The site: $$(pwd)/docs/_build/html/index.html"

bench: $(VENV)/.installed-dev $(VENV_JAX)/.installed
	$(PY) -m benchmarks $(BENCH_ARGS)

ci:
	bash .ci/run

clean:
	rm -rf docs/_build docs/notebooks docs/reference/generated
	rm -rf $(VENV) $(VENVS_VERSIONS) $(VENV_JAX) build dist report.html .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- the environment ----

RANGE := >= 3.12, < 3.15

# Prints the version. Fails where it is out of range, or cannot make an environment (Debian ships
# Python without these two modules). Any Python since 2.6 can run it.
PROBE := import sys; \
	print("%d.%d.%d" % sys.version_info[:3]); \
	sys.exit("out of range") if not (3, 12) <= sys.version_info[:2] < (3, 15) else None; \
	import ensurepip, venv

# Same text, same interpreter, even through a shim or an environment of another name.
IDENTITY := import sys; print(sys.version, sys.base_prefix)

# Keeps an environment that works, unless PYTHON asks for another interpreter. It looks each time,
# because an interpreter can vanish under an environment; the stamp moves only when something is made.
$(VENV)/.created: force
	@usable=; found=; seen=; \
	if $(PY) -c '$(PROBE)' >/dev/null 2>&1; then usable=yes; fi; \
	if [ "$$usable" ] && [ -z "$(PYTHON)" ]; then \
		found=$(PY); \
	else \
		for candidate in $(or $(PYTHON),python3.13 python3.12 python3.14 python3 python); do \
			: "a pyenv shim can be there and still fail, so each is run"; \
			if version=$$("$$candidate" -c '$(PROBE)' 2>/dev/null); then found=$$candidate; break; fi; \
			case "$$version" in \
				"") ;; \
				3.1[234].*) seen="$$seen, $$candidate is $$version without venv or ensurepip" ;; \
				*) seen="$$seen, $$candidate is $$version" ;; \
			esac; \
		done; \
	fi; \
	if [ -z "$$found" ]; then \
		: "$${seen:=, $(if $(PYTHON),$(PYTHON) does not run,no Python that runs)}"; \
		echo "bayesgmm needs Python $(RANGE); found: $${seen#, }. Name one: make PYTHON=/path/to/python" >&2; \
		exit 1; \
	fi; \
	if [ -z "$$usable" ] || [ "$$($(PY) -c '$(IDENTITY)')" != "$$("$$found" -c '$(IDENTITY)')" ]; then \
		echo "Making $(VENV) with $$found, Python $$version"; \
		"$$found" -m venv --clear $(VENV) || exit 1; \
	fi; \
	if [ ! -f $@ ]; then \
		: "an environment that uv made has no pip; --group needs pip 25.1"; \
		$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null || exit 1; \
		$(PY) -m pip install --quiet --upgrade "pip>=25.1" && touch $@; \
	fi

$(VENV)/.installed: $(VENV)/.created pyproject.toml bayesgmm/_version.py
	@echo "Installing bayesgmm and what it needs; the first time takes some minutes"
	$(PY) -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PY) -m pip install --quiet --group dev
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed-dev
	$(PY) -m pip install --quiet --group docs
	@touch $@

# The benchmarks say so where it cannot be installed.
$(VENV_JAX)/.installed: $(VENV)/.created pyproject.toml
	@$(PY) -m venv --clear $(VENV_JAX) && \
		$(VENV_JAX)/bin/python -m pip install --quiet --upgrade "pip>=25.1" && \
		$(VENV_JAX)/bin/python -m pip install --quiet --group benchmarks-jax || \
		{ echo "gmmx and JAX cannot be installed: the benchmarks go on without them" >&2; \
		rm -rf $(VENV_JAX); mkdir $(VENV_JAX); }
	@touch $@
