# make check: everything that must pass before a commit. make docs: write the generated pages anew.
.PHONY: check lint docs reliability

check: lint
	python -m pytest

lint:
	ruff format --check .
	ruff check .
	mypy

docs:
	python docs/generate.py

reliability:
	python -m tests.reliability
