# One command per intent; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help run install-server test check check-types check-templates format bench package deploy rehearse docs requirements clean setup setup-dev demo-data

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
PY := .venv/bin/python
MARKET_DATA := .cache/market/bitstamp_btcusd_1min_14d.csv.gz
ARGS ?=
# Tests wait for a good part of their time, so there is one process more than cores.
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PROFILE ?= small
UV_COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header

run: demo-data ## Set up if needed and run the whole platform here; Ctrl-C stops it (FULLON_PORT, FULLON_HOME)
	@exec $(PY) -m local.cli up $(ARGS)

install-server: setup ## Run the platform as systemd services of this server (as root; ARGS=--demo; docs/server.md)
	@$(PY) -m local.server $(ARGS)

test: setup-dev demo-data ## Run every test (ARGS="-k name" to choose)
	@$(PY) -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

check: setup-dev ## Format, lint, types, import contracts and the templates of all profiles, as CI runs them
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/lint-imports
	@if [ -x .venv/bin/hadolint ]; then .venv/bin/hadolint daemons/Dockerfile; else echo "hadolint has no wheel for this machine"; fi
	@$(MAKE) $(if $(findstring -j,$(MAKEFLAGS)),,--jobs=2) --output-sync=target check-types check-templates

check-types:
	@.venv/bin/mypy

check-templates:
	@$(PY) -m infra.validate

format: setup-dev ## Format the code and mend what lint can mend
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

bench: setup-dev demo-data ## Measure side by side with what one would use instead
	@$(PY) -m benchmarks $(ARGS)

package: setup-dev ## Build what is deployed to Lambda into dist/ and check it (ARGS="--target local")
	@$(PY) -m tools.packaging --check $(ARGS)

deploy: setup-dev ## Deploy to AWS with the CDK command (PROFILE=small); docs/deployment.md
	@cdk deploy --all --context profile=$(PROFILE) --context bundle=true $(ARGS)

rehearse: setup-dev ## Deploy the templates into a local AWS emulator and use them end to end (ARGS="--keep")
	@$(PY) -m local.rehearsal $(ARGS)

docs: setup-dev ## Write the committed OpenAPI and AsyncAPI documents and the README's tables anew
	@$(PY) -m tools.documents

requirements: setup-dev ## Compile requirements/*.in into hashed *.txt
	@$(UV_COMPILE) requirements/dev.in -o requirements/dev.txt
	@for name in local functions daemons parquet docs migrations server; do \
		$(UV_COMPILE) -c requirements/dev.txt requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done
	@$(UV_COMPILE) requirements/ministack.in -o requirements/ministack.txt

demo-data: setup
	@test -f $(MARKET_DATA) || $(PY) -m local.cli demo-data --if-missing || true

clean: ## Remove the environment, caches and byte code; data in .fullon and .cache/market stays
	@rm -rf .venv .pytest_cache dist
	@if [ -d .cache ]; then find .cache -mindepth 1 -maxdepth 1 ! -name market -exec rm -rf {} +; fi
	@find . -name __pycache__ -type d -not -path './node_modules/*' -prune -exec rm -rf {} +

setup:
	@tools/setup local

setup-dev:
	@tools/setup dev

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'
