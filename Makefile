# Every target sets itself up in a local virtual environment (.venv) and needs nothing but Python 3.11+ and make.
# Smaller install away from CUDA: make setup PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SAMPLES ?= samples
DEMO ?= build/demo
ENGINES := build/engines
SITE := import sysconfig; print(sysconfig.get_path('purelib'))
# One thread per test process: two processes share the cores better than the threads of one.
JOBS ?= 2
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS)

ifdef PIP_EXTRA_INDEX_URL
export PIP_EXTRA_INDEX_URL
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-hostile fuzz fuzz-guided test-faults test-load coverage lint type format reference schema samples domains results docs clean image sif test-container sbom audit bench bench-engines bench-configure

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml containers/requirements.txt
	$(PYTHON) -m venv $(VENV)
	# torch first: torchvision asks for it without saying which build, and any build of this version will do
	$(BIN)/python -m pip install --quiet torch==$$(sed -n 's/.*"torch==\(.*\)".*/\1/p' pyproject.toml)
	# the very versions that the images hold
	$(BIN)/python -m pip install --quiet --constraint containers/requirements.txt --editable '.[dev]'
	touch $@

setup: $(READY) ## Create .venv with everything the project needs

demo: $(READY) ## Judge every sample model that ships with the repository
	@for model in $(SAMPLES)/id-*; do \
	  out=$(DEMO)/$$(basename $$model); mkdir -p $$out; \
	  echo; echo "=== $$model (ground truth: $$(sed 's/1/poisoned/; s/0/clean/' $$model/ground_truth.csv))"; \
	  $(BIN)/python entrypoint.py infer --model_filepath $$model/model.pt --examples_dirpath $$model/example_data \
	    --result_filepath $$out/result.txt --scratch_dirpath $$out || exit; \
	done
	@echo; echo "In short (1 = poisoned):"; for model in $(SAMPLES)/id-*; do \
	  echo "  $$model: truth $$(cat $$model/ground_truth.csv), answer $$(cat $(DEMO)/$$(basename $$model)/result.txt)"; \
	done
	@echo "The default bundle has seen none of them, and no network like the first three. What its answers are worth: docs/domains.md"

test: $(READY) ## Run the tests (all but the slow ones)
	$(TEST) -m "not slow"

test-slow: $(READY) ## Run all tests, the slow ones too
	$(TEST)

test-hostile: $(READY) ## Run the tests with inputs made to harm
	$(TEST) -m "hostile and not slow"

FUZZ_CASES ?= 20000
fuzz: $(READY) ## Mutate every kind of file that is read, FUZZ_CASES times each (docs/reliability.md)
	OMP_NUM_THREADS=1 $(BIN)/python -m reliability.fuzz --cases $(FUZZ_CASES)

fuzz-guided: $(READY) ## The same readers by what code the inputs reach (atheris; installs it)
	$(BIN)/python -m pip install --quiet --constraint containers/requirements.txt --editable '.[fuzz]'
	OMP_NUM_THREADS=1 $(BIN)/python -m reliability.guided --cases $(FUZZ_CASES)

KILLS ?= 200
test-faults: $(READY) ## Kill infer and configure at KILLS random moments, on full disks too (docs/reliability.md)
	OMP_NUM_THREADS=1 $(BIN)/python -m reliability.faults --kills $(KILLS)

DETECTIONS ?= 100
test-load: $(READY) ## DETECTIONS detections in one process: same answers, flat memory and descriptors
	OMP_NUM_THREADS=1 $(BIN)/python -m reliability.load --detections $(DETECTIONS)

coverage: $(READY) ## Run the same tests and say which share of the code they run (build/coverage)
	$(TEST) -m "not slow" --cov --cov-report term:skip-covered --cov-report html:build/coverage

lint: $(READY) ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(READY) ## Check types
	$(BIN)/mypy

format: $(READY) ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reference: $(READY) ## Regenerate reference_data from torchvision
	$(BIN)/python -m detector.graph --write

domains: $(READY) ## Rebuild docs/domains.md and the default bundle from the measurements (minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m laboratory.domains

schema: $(READY) ## Write the schema of the metaparameters from what is registered, and complete the values
	$(BIN)/python -m detector.commands --write

samples: $(READY) ## Train sample models where they are missing (48 px, some minutes)
	$(BIN)/python -m laboratory.roundgen samples --output $(SAMPLES)

results: $(READY) ## Rebuild docs/results.md, its figures and the bundle small from the measurements (minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m laboratory.results

docs: $(READY) ## Build the documentation as a site, in build/site (needs no network)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Containers (docs/containers.md)
ENGINE ?= $(shell command -v docker || command -v podman)
SINGULARITY ?= $(shell command -v apptainer || command -v singularity)
IMAGE ?= pruning-trojan-detector
SIF ?= build/detector.sif
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' detector/__init__.py)

image: ## Build the container image, with docker or podman
	@test -n "$(ENGINE)" || { echo "make image needs docker or podman" >&2; exit 2; }
	$(ENGINE) build --build-arg VERSION=$(VERSION) --tag $(IMAGE) .

sif: ## Build build/detector.sif, with Apptainer or Singularity
	@test -n "$(SINGULARITY)" || { echo "make sif needs apptainer or singularity" >&2; exit 2; }
	mkdir -p $(dir $(SIF))
	$(SINGULARITY) build --force $(SIF) singularity.def

test-container: $(READY) ## Build image and SIF from nothing and check both (as root on Debian; minutes)
	@bash containers/test.sh $(BIN)/python

sbom: ## List what is inside the image (CycloneDX), in build/sbom.json
	@test -n "$(ENGINE)" || { echo "make sbom needs docker or podman" >&2; exit 2; }
	mkdir -p build
	$(ENGINE) run --rm --interactive --network none --entrypoint python3 $(IMAGE) - < containers/sbom.py > build/sbom.json

audit: ## Check the Python packages of the images against known advisories
	@PYTHON=$(PYTHON) bash containers/audit.sh build/audit

bench: $(READY) ## Time whole detections of all architectures (forty minutes; let nothing else run)
	$(BIN)/python -m benchmarks.detections

bench-engines: $(ENGINES)/.ready ## Compare inference engines side by side (twenty minutes; let nothing else run)
	$(ENGINES)/bin/python -m benchmarks.engines

bench-configure: $(READY) ## Time the measuring of rounds: models an hour (a quarter of an hour; let nothing else run)
	$(BIN)/python -m benchmarks.sweeps

$(ENGINES)/.ready: $(READY) benchmarks/requirements.txt
	$(BIN)/python -m venv $(ENGINES)
	# it sees the packages of .venv, so that every engine runs beside the same torch and numpy
	$(BIN)/python -c "$(SITE)" > $$($(ENGINES)/bin/python -c "$(SITE)")/product.pth
	$(ENGINES)/bin/python -m pip install --quiet --requirement benchmarks/requirements.txt
	touch $@

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .coverage *.egg-info
