# Everything on a machine with Python 3.11 and make: `make demo` shows what hgraph does, `make test` checks that it does.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DEMO   ?= demo
DATA   := examples/data/onet

.PHONY: help demo test test-fast lint format bench install clean

help:
	@echo "make demo       build a taxonomy, train, evaluate and predict on shipped data (a few minutes, CPU)"
	@echo "make test       tests, linters and type checks"
	@echo "make test-fast  the same tests without the slow ones"
	@echo "make lint       linters and type checks alone"
	@echo "make format     format the code"
	@echo "make bench      benchmarks, results in benchmarks/results"

$(VENV)/.installed: setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed, found " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[cpu]"
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $@

install: $(VENV)/.installed

demo: $(VENV)/.installed
	@$(BIN)/python examples/demo.py --output $(DEMO)

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/htla_head.py --json benchmarks/results/htla_head.json
	$(BIN)/python benchmarks/predict_speed.py --json benchmarks/results/predict_speed.json
	$(BIN)/python benchmarks/lexical_quality.py --json benchmarks/results/lexical_quality.json
	$(BIN)/python benchmarks/graph.py --json benchmarks/results/graph.json
	$(BIN)/python benchmarks/new_labels.py --json benchmarks/results/new_labels.json
	$(BIN)/python benchmarks/label_encoders.py --json benchmarks/results/label_encoders.json
	$(BIN)/python benchmarks/alignment/losses.py --json benchmarks/results/alignment_losses.json
	$(BIN)/python benchmarks/alignment/inference.py --json benchmarks/results/inference.json
	$(BIN)/python benchmarks/alignment/mining.py --json benchmarks/results/mining.json
	$(BIN)/python benchmarks/systems/cost.py --json benchmarks/results/systems_cost.json

clean:
	find hgraph -name '*.nb?' -delete
	rm -rf $(VENV) $(DEMO) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
