# `make run` does the main job, `make test` passes the tests; both set themselves up.
PYTHON ?=  # of the environment; by default the newest of 3.10 to 3.13 on the PATH
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

CONFIG ?= configs/movielens_100k/mbcnet.yaml

# What `make check` runs: folders whose tests need seconds, not slow fixtures.
FAST_TESTS := tests/test_architecture.py tests/features tests/models/spec tests/models/layers \
  tests/models/embeddings tests/models/fusion tests/models/metrics \
  tests/pipeline/config tests/pipeline/inspection

# Beam's Flink job server, put together from its thin jars; outlives `make clean`.
FLINK := $(or $(CONCORD_CACHE),$(HOME)/.cache/concord)/flink
FLINK_JAR := $(FLINK)/flink-job-server.jar

.PHONY: help run check test every-python ranges flink-server flink-test flink-cluster-test lint format lock clean quality gpu-check

help:  ## This list
	@sed -n 's/^\([a-z-]*\):.*##  */\1  /p' $(MAKEFILE_LIST) | awk -F '  ' '{printf "make %-18s %s\n", $$1, $$2}'

run: $(STAMP)  ## Raw logs -> bundle -> trained MBCnet -> SavedModel -> five scored rows
	$(BIN)/python -m pipeline run --config $(CONFIG)

check: $(STAMP) lint  ## Lint, types and the fast tests: under two minutes
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not flink" $(FAST_TESTS)

# A file's tests share what they built, so a worker takes whole files: the slow ones first, as
# tests/conftest.py orders them, so that none is left for one worker at the end.
test: $(STAMP) lint  ## Lint and types, then all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

every-python: $(STAMP)  ## Fast tests and a short main job on every other Python that is installed
	$(BIN)/python .ci/every_python.py

ranges: $(STAMP)  ## The wheel with the lowest and the newest packages that it allows
	$(BIN)/python .ci/ranges.py

flink-server: $(FLINK_JAR)  ## Beam's Flink job server, by Maven

flink-test: $(STAMP) $(FLINK_JAR)  ## The data job on Apache Flink against the one in memory
	$(BIN)/python -m pytest -m "flink and not flink_cluster" tests/flink

flink-cluster-test: $(STAMP) $(FLINK_JAR)  ## The data job on Flink's own processes, one of which is killed
	$(BIN)/python -m pytest -m flink_cluster tests/flink

quality: $(STAMP)  ## Test metrics of configurations beside those of before: an hour, for nightly runs
	$(BIN)/python -m benchmarks.quality.thresholds --out runs/quality/$(shell git rev-parse --short HEAD)

gpu-check: $(STAMP)  ## Whether GPUs train as the processor does, and how fast; skipped without one
	$(BIN)/python -m benchmarks.gpu.check

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## Mends what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Every pin holds for Linux and Python below 3.14: the locks do not repeat it on every line.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
  --no-emit-index-url --custom-compile-command "make lock"

lock: $(STAMP)  ## Every pin with its hashes, for all Pythons, to requirements*.txt
	$(LOCK) requirements-serve.in requirements.in --output-file requirements.txt
	$(LOCK) requirements-serve.in --constraint requirements.txt --output-file requirements-serve.txt
	$(LOCK) requirements-dev.in --constraint requirements.txt --output-file requirements-dev.txt
	sed -i -E "s/python_full_version < '3.14' and //; s/( ;| and) sys_platform == 'linux'( \\\\)?$$/\2/" \
	  requirements.txt requirements-serve.txt requirements-dev.txt

clean:  ## Removes the environment and caches of tools; never bundles, runs or downloads
	rm -rf $(VENV) .cache .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist

$(FLINK_JAR): pipeline/data/runners/flink/pom.xml
	@command -v java >/dev/null && command -v mvn >/dev/null || { \
	  echo "Flink needs Java 11 or newer and Maven (java and mvn on the PATH)."; exit 2; }
	@echo "fetching Beam's Flink job server into $(FLINK) (150 MB)"
	rm -rf "$(FLINK).building"
	mvn -B -ntp -q -f $< -Dserver.folder="$(FLINK).building" package
	rm -rf "$(FLINK)" && mv "$(FLINK).building" "$(FLINK)" && touch "$@"

$(STAMP): requirements.txt requirements-dev.txt
	@PYTHON="$(strip $(PYTHON))" VENV="$(VENV)" .ci/environment
	@echo "installing the pins of $^ into $(VENV): a minute or two"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  $(addprefix -r ,$^)
	@touch $@
