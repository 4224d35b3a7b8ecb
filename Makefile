# `make` alone lists what there is. ARGS goes to the command: make test ARGS="-k mqtt", make run ARGS="--for 15s".

.DEFAULT_GOAL := help
.PHONY: help setup run chaos bench quick test test-long check docs deb lock clean

unexport PYTHONDONTWRITEBYTECODE # each worker, and each command that a test starts, would compile all anew
BIN := .venv/bin
STAMP := .venv/.installed
PYTHON ?=
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --upgrade

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv from the lock and install edged into it

$(STAMP): packaging/dev.lock packaging/setup.sh pyproject.toml
	@PYTHON='$(PYTHON)' packaging/setup.sh

run: setup ## fetch the default model and the demo clip, then run the daemon until Ctrl-C
	@$(BIN)/edged run --pull $(ARGS)

chaos: setup ## try faults on a daemon made for it, for a minute; needs mosquitto and a pulled detector
	@$(BIN)/edged chaos $(ARGS)

bench: setup ## requests a second of edged, LitServe, BentoML and others side by side; needs a pulled classifier
	@$(BIN)/python -m tests.bench.serve --markdown $(ARGS)

quick: setup ## run the tests that need neither weights nor broker, browser, cameras, microphones; a minute
	@$(BIN)/pytest -n 3 --dist worksteal -m quick $(ARGS)

# One that fails is tried once more, five of them at most, and both are shown: to be mended, but no reason to refuse a push.
RERUNS := --reruns 1 --max-suite-reruns 5 --rerun-show-tracebacks

test: setup ## install what the tests need of the system where allowed, then run all tests; a quarter of an hour on two cores
	@packaging/system-packages.sh
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(RERUNS) $(ARGS)

test-long: setup ## run what takes longer than is worth it each time; installs debootstrap and podman where allowed
	@packaging/system-packages.sh long
	@$(BIN)/pytest -n 2 -m long $(ARGS)

check: setup ## lint, format, types, house rules, documents
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	MYPYPATH=plugins $(BIN)/mypy $(patsubst plugins/%/plugin.py,-p %,$(wildcard plugins/*/plugin.py))
	$(BIN)/pytest -q tests/test_architecture.py tests/test_docs.py tests/test_project.py

docs: setup ## write the generated documents and the picture of the page
	@packaging/system-packages.sh
	$(BIN)/python -m docs.generate
	$(BIN)/python -m docs.screenshot

deb: setup ## make dist/edged_<version>_<architecture>.deb for this Debian: docs/service.md
	@packaging/deb.sh

lock: ## resolve the dependencies anew; needs uv
	$(COMPILE) --extra broker --extra gpu --extra grpc --extra notify --extra quantize --extra wyoming pyproject.toml -o packaging/run.lock
	$(COMPILE) --extra dev -c packaging/run.lock pyproject.toml -o packaging/dev.lock
	echo virtualenv | $(COMPILE) - -o packaging/bootstrap.lock

clean: ## remove what make setup and the tools have made; models/ and state/ stay
	rm -rf .venv .venv-bootstrap .mypy_cache .pytest_cache .ruff_cache build dist
