# make check: everything that must pass before a commit. make docs: write the generated pages again.
.PHONY: check lint coverage docs reliability

check: lint
	python -m pytest

lint:
	ruff format --check .
	ruff check .
	mypy

# Which lines of the package no test reaches. What runs in processes that the tests start is not counted.
coverage:
	python -m pytest -m "slow or not slow" --cov=digits --cov-report=term-missing:skip-covered

docs:
	python docs/generate.py

reliability:
	python -m tests.reliability
