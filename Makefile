# Two commands are all the set-up: "make demo" and "make test". The rest is for developers: "make help".

supported = for p in $(1); do "$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, $(2)))' 2>/dev/null && echo "$$p" && break; done
PYTHON ?= $(shell $(call supported,python3 python3.13 python3.12 python3.11,14))
# Airflow 2.11 runs on Python up to 3.12. With a newer one only, its tests are left out, and pytest says so.
AIRFLOW2_PYTHON ?= $(shell $(call supported,$(PYTHON) python3.12 python3.11,13))
# The second interpreter of state machines wants Node; without it, its tests are left out, and pytest says so.
NODE ?= $(shell node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null && echo node)
second = tests/support/second_interpreter
azurite = tests/support/azurite
# The emulator of Google Cloud Storage is built by Go; without a Go of its release, its tests are left out, and pytest says so.
fake_gcs = tests/support/fake_gcs
GO ?= $(shell GOTOOLCHAIN=local go -C $(fake_gcs) list -m >/dev/null 2>&1 && echo go)
# A Kubernetes with Argo Workflows is built by Go, too, into a cache outside of this checkout: a quarter of an hour on two
# processors the first time. Its node runs on containerd, runc and the usual network plugins, as root, with an image that the
# container engine below makes. Nothing of the product runs on it yet, so its tests run by "make test-kubernetes" alone.
kubernetes = tests/support/kubernetes
KUBERNETES ?=
# The tests of infra/terraform want Terraform's provider for AWS on this machine: in the mirror or cache that Terraform's own
# configuration names, or in a folder of the usual kind. Without it they are left out, and pytest says so.
aws_provider = registry.terraform.io/hashicorp/aws
mirrors = $(shell sed -n 's/^ *\(path\|plugin_cache_dir\) *= *"\(.*\)".*/\2/p' "$${TF_CLI_CONFIG_FILE:-$$HOME/.terraformrc}" 2>/dev/null) \
    $(TF_PLUGIN_CACHE_DIR) $(HOME)/.terraform.d/plugins /usr/local/share/terraform/plugins /usr/share/terraform/plugins /opt/*
TERRAFORM_PLUGINS ?= $(if $(shell command -v terraform),$(firstword \
    $(patsubst %/$(aws_provider),%,$(wildcard $(addsuffix /$(aws_provider),$(mirrors))))))
# Those of docker/ want an engine that has an image to build on already, so that they need no registry: BASE, or the one that
# tests/support/base_image.py makes. Without it they are left out, and pytest says so.
test_base = $(or $(BASE),localhost/flow-sdk-base:bookworm)
CONTAINERS ?= $(shell for engine in docker podman; do \
    $$engine image inspect $(test_base) >/dev/null 2>&1 && echo $$engine && break; done)
PYTEST_ARGS ?=
UV_VERSION = >=0.8

# $(call install,folder,python,lock): a new environment with exactly what the lock names and the two packages of this
# checkout. uv makes it quick; where it can't be installed or finds no index, pip does the same.
define install
	rm -rf $(1)
	$(2) -m venv $(1) || { echo "python3 -m venv doesn't work here. On Debian: apt-get install python3-venv"; exit 1; }
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check 'uv$(UV_VERSION)' || true
	$(1)/bin/uv pip install --quiet --python $(1)/bin/python --no-deps -r requirements/$(3) $(4) \
	|| $(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/$(3) $(4)
	touch $@
endef
checkout = --config-settings editable_mode=compat -e . -e ./provider

# Compiling the same modules again in each process takes most of the time of many.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help image demo test test-faults test-soak test-kubernetes check quick style coverage lint unit docs format bench dist changelog lock clean

help:
	@echo "make demo    a flow on this machine, then on a real Airflow with artifacts in S3 (all of it local)"
	@echo "make test    all checks and all tests"
	@echo "make test-faults  every fault of the fault tests, where make test injects a share: 500 killed runs and more"
	@echo "make test-soak    an hour of runs under faults: no process may grow; MINUTES=10 for less"
	@echo "make test-kubernetes    the tests on a Kubernetes with Argo Workflows, which the first time is built"
	@echo "make check   lint and the quick tests, in a minute or so: for the inner loop"
	@echo "make quick   the unit tests that start no process and no server"
	@echo "make style   the tests of names, sizes, docstrings and the checkout"
	@echo "make coverage    which lines the unit tests run, those of processes that they start included"
	@echo "make lint    ruff, mypy --strict, import-linter, the documentation site"
	@echo "make unit    the tests that start no Airflow"
	@echo "make docs    the documentation site, in build/site"
	@echo "make dist    wheels of both distributions in dist/, installed and run in a clean environment"
	@echo "make changelog    what the fragments in changes/ make of the changelog"
	@echo "make format  ruff format and the fixes ruff can make itself"
	@echo "make bench   the benchmarks, side by side with the peer"
	@echo "make image   the container image in which tasks run on AWS Batch"
	@echo "make lock    compile requirements/*.in into the lock files again"
	@echo "make clean   remove the environments and everything the tools leave"

.venv/.ready: requirements/airflow3.txt pyproject.toml provider/pyproject.toml
	@test -n "$(PYTHON)" || { echo "Flow SDK needs Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3"; exit 1; }
	$(call install,.venv,$(PYTHON),airflow3.txt,$(checkout))

# After .venv: two builds of one checkout would be in each other's way.
.venv-airflow2/.ready: requirements/airflow2.txt pyproject.toml provider/pyproject.toml | .venv/.ready
	$(call install,.venv-airflow2,$(AIRFLOW2_PYTHON),airflow2.txt,$(checkout))

.venv-peer/.ready: requirements/peer.txt
	$(call install,.venv-peer,$(PYTHON),peer.txt)

.venv-localstack/.ready: requirements/localstack.txt
	$(call install,.venv-localstack,$(PYTHON),localstack.txt)

# npm's registry may be out of reach where Python's index isn't.
$(second)/node_modules/.ready: $(second)/package-lock.json
	npm ci --prefix $(second) --no-audit --no-fund --loglevel=error && touch $@ \
	|| { rm -rf $(second)/node_modules; echo "npm ci failed: the tests of the second interpreter are left out"; }

$(azurite)/node_modules/.ready: $(azurite)/package-lock.json
	npm ci --prefix $(azurite) --no-audit --no-fund --loglevel=error && touch $@ \
	|| { rm -rf $(azurite)/node_modules; echo "npm ci failed: the tests on Azure Blob Storage are left out"; }

# go.mod pins the release, go.sum what it is made of.
$(fake_gcs)/build/fake-gcs-server: $(fake_gcs)/go.mod $(fake_gcs)/go.sum
	GOTOOLCHAIN=local GOFLAGS=-buildvcs=false go -C $(fake_gcs) build -o build/fake-gcs-server github.com/fsouza/fake-gcs-server \
	|| echo "go build failed: the tests on Google Cloud Storage are left out"

# The file names the folder of the programs. On two processors a first build takes a quarter of an hour; later ones find it done.
built = $(kubernetes)/build/folder
$(built): $(kubernetes)/build.py $(wildcard $(kubernetes)/*/go.* $(kubernetes)/argo/overlay/*)
	mkdir -p $(@D) && $(PYTHON) -m tests.support.kubernetes.build > $@ \
	|| { rm -f $@; echo "The tests on Kubernetes are left out"; }

demo: .venv/.ready
	.venv/bin/python -m demo.run_demo

lint: .venv/.ready
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	$(build_site)

# Strict: a page that isn't in the navigation, or a link that leads nowhere, is an error.
build_site = NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet
docs: .venv/.ready
	$(build_site)
	@echo "build/site/index.html"

# $(call in_parts,arguments): all parts of the tests beside each other, with what some of them need; tests/support/parts.py says
# which part a test is of. exec, so that the parts see the end of make.
define in_parts
	@export FLOW_TEST_AIRFLOW3="$(CURDIR)/.venv/bin/python" \
	    FLOW_TEST_AIRFLOW2="$(if $(AIRFLOW2_PYTHON),$(CURDIR)/.venv-airflow2/bin/python)" \
	    FLOW_TEST_LOCALSTACK="$(CURDIR)/.venv-localstack/bin/python" \
	    FLOW_TEST_NODE_MODULES="$(if $(NODE),$$(ls -d "$(CURDIR)/$(second)/node_modules" 2>/dev/null))" \
	    FLOW_TEST_AZURITE="$(if $(NODE),$$(ls -d "$(CURDIR)/$(azurite)/node_modules" 2>/dev/null))" \
	    FLOW_TEST_FAKE_GCS="$(if $(GO),$$(ls "$(CURDIR)/$(fake_gcs)/build/fake-gcs-server" 2>/dev/null))" \
	    FLOW_TEST_KUBERNETES="$(if $(KUBERNETES),$$(ls -d "$$(cat "$(CURDIR)/$(built)")" 2>/dev/null))" \
	    FLOW_TEST_TERRAFORM_PLUGINS="$(TERRAFORM_PLUGINS)" \
	    FLOW_TEST_ZSH="$$(command -v zsh)" FLOW_TEST_FISH="$$(command -v fish)" \
	    FLOW_TEST_CONTAINERS="$(CONTAINERS)" FLOW_TEST_BASE_IMAGE="$(test_base)"; \
	exec .venv/bin/python -m tests.support.run_parts $(1) $(PYTEST_ARGS)
endef

servers = .venv/.ready .venv-localstack/.ready $(if $(AIRFLOW2_PYTHON),.venv-airflow2/.ready) \
          $(if $(NODE),$(second)/node_modules/.ready $(azurite)/node_modules/.ready) \
          $(if $(GO),$(fake_gcs)/build/fake-gcs-server) $(if $(KUBERNETES),$(built))

test:
	@$(MAKE) --no-print-directory -j4 $(servers)
	$(call in_parts,--beside lint)

# What fails says how to play it again: make test-faults PYTEST_ARGS="--replay 17 -k crash_runs"
KILLS ?= 500
faults = tests/fault tests/simulation tests/security tests/unit/store tests/unit/upkeep tests/integration/test_scale.py \
         tests/integration/test_step_functions_deploy.py tests/integration/test_airflow_batch_server.py
test-faults: $(servers)
	$(call in_parts,$(faults) --every-fault --kills $(KILLS))

test-kubernetes:
	@$(MAKE) --no-print-directory KUBERNETES=yes .venv/.ready $(built)
	FLOW_TEST_KUBERNETES="$$(cat "$(CURDIR)/$(built)")" FLOW_TEST_CONTAINERS="$(CONTAINERS)" FLOW_TEST_BASE_IMAGE="$(test_base)" \
	    .venv/bin/python -m pytest -p no:cacheprovider -m kubernetes tests/integration/test_kubernetes_rig.py $(PYTEST_ARGS)

# An hour of runs under faults. Not part of make test: what it takes is time.
MINUTES ?= 60
test-soak: .venv/.ready
	.venv/bin/python -m tests.soak.run_soak --minutes $(MINUTES)

# The unit tests keep one core busy, lint and then the style tests another one.
check: .venv/.ready
	@$(MAKE) --no-print-directory -j2 --output-sync=target quick lint style
quick: .venv/.ready
	.venv/bin/python -m pytest -p no:cacheprovider -q -m "not slow" tests/unit $(PYTEST_ARGS)
style: .venv/.ready
	.venv/bin/python -m pytest -p no:cacheprovider -q -m "not slow" tests/style $(PYTEST_ARGS)

# Not part of make test: following each line makes the unit tests take half as long again and more.
coverage: .venv/.ready
	rm -rf build/coverage
	.venv/bin/python -m coverage run -m pytest -p no:cacheprovider -q tests/unit tests/conformance $(PYTEST_ARGS)
	.venv/bin/python -m coverage combine --quiet
	.venv/bin/python -m coverage report --skip-covered
	.venv/bin/python -m coverage html --quiet && echo "build/coverage/html/index.html"

unit: .venv/.ready
	.venv/bin/python -m pytest --ignore=tests/integration $(PYTEST_ARGS)

# Wheels of both distributions. A flow, and Airflow's list of providers, run from them where nothing else of this checkout is.
dist: .venv/.ready
	rm -rf build/wheels build/clean dist
	.venv/bin/python -m build --wheel --outdir dist . >/dev/null
	.venv/bin/python -m build --wheel --outdir dist provider >/dev/null
	$(PYTHON) -m venv build/clean
	.venv/bin/uv pip install --quiet --python build/clean dist/flow_sdk-*.whl
	cp dags_examples/linear.py build/clean/ && cd build/clean && FLOW_SDK_HOME=home bin/python linear.py --datastore-root store run
	.venv/bin/uv pip install --quiet --python build/clean -c requirements/airflow3.txt dist/airflow_provider_flow_sdk-*.whl apache-airflow
	cd build/clean && AIRFLOW_HOME="$$PWD/airflow" bin/airflow providers get airflow-provider-flow-sdk
	rm -rf build/clean
	@ls dist/*.whl

changelog: .venv/.ready
	.venv/bin/towncrier build --draft --version "$(version)"

format: .venv/.ready
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

bench: .venv/.ready .venv-peer/.ready
	.venv/bin/python -m benchmarks.run_all --peer .venv-peer/bin/python
	.venv/bin/python -m benchmarks.airflow_parse "$(CURDIR)/.venv/bin/python"
	.venv/bin/python -m benchmarks.scale

# The image in which tasks run on AWS Batch; ENGINE=podman, BASE=another Python (docker/README.md).
ENGINE ?= docker
version = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
image:
	$(ENGINE) build --file docker/Dockerfile $(if $(BASE),--build-arg BASE=$(BASE)) --tag flow-sdk:$(version) .

lock: .venv/.ready
	for lock in airflow3 airflow2 localstack peer; do \
	    .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate \
	        requirements/$$lock.in -o requirements/$$lock.txt || exit 1; done

clean:
	rm -rf .venv .venv-airflow2 .venv-localstack .venv-peer $(second)/node_modules $(azurite)/node_modules $(fake_gcs)/build $(kubernetes)/build
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf build dist *.egg-info provider/build provider/dist provider/src/*.egg-info
