"""Proof that training and searching survive anything: faults, kills, starts at one moment, endurance.

    python -m tests.reliability [--faults 60] [--kills 100] [--seeds 3] [--epochs 2000]
        [--searches 3] [--starts 20]

The default takes some minutes. `tests/training/test_resume.py` and `tests/tuning/test_search.py` run a
short form of it.
"""
