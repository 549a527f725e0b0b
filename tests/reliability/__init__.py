"""Proof that training survives anything: faults, kills and endurance, each against an uninterrupted run.

    python -m tests.reliability [--faults 60] [--kills 100] [--seeds 3] [--epochs 2000]

The default takes some minutes; `tests/test_resume.py` runs a short form of it.
"""
