# A thin wrapper; the same in plain lines for any system is in the README.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
MINUTES ?= 3
# The storyteller of the reader's language, unless CORPUS is named.
CORPUS ?= $(shell $(BIN)/python -c 'from modou.messages import language; print("storyteller" if language() == "zh" else "storyteller-en")')

.PHONY: demo test test-slow test-cpus lint clean

# An installed torch is kept: the environment sees the system's packages where torch is one of them.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "modou needs Python 3.11 or newer"'
	$(PYTHON) -m venv $$($(PYTHON) -c 'import torch' 2>/dev/null && echo --system-site-packages) $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(VENV)/.ready
	$(BIN)/modou run $(CORPUS) --minutes $(MINUTES) --out runs/demo

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow'

test-slow: $(VENV)/.ready
	$(BIN)/python -m pytest -m slow

# The fast tests as other CPUs compute: instruction sets of torch and of oneDNN ("all": whatever is there), threads.
# Workers times threads is 2, and threads that wait sleep: more work than cores would wait for what only spins.
CAPABILITIES ?= default avx2 all
ONEDNN ?= AVX2 all
THREADS ?= 1 2
TESTS ?= tests
test-cpus: $(VENV)/.ready
	set -e; for capability in $(CAPABILITIES); do for isa in $(ONEDNN); do for threads in $(THREADS); do \
	echo "torch $$capability, oneDNN $$isa, $$threads threads"; \
	(test $$capability = all || export ATEN_CPU_CAPABILITY=$$capability; \
	test $$isa = all || export ONEDNN_MAX_CPU_ISA=$$isa; \
	OMP_NUM_THREADS=$$threads OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -q -n $$((2 / $$threads)) --dist loadfile -m 'not slow' $(TESTS)); \
	done; done; done

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) runs/demo
