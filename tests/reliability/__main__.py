"""The command: run the proofs, print a table, exit with 1 when one of them fails."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from . import database, endurance, faults, kills, pictures, searches, trainer


def main() -> int:
    """Run what was asked for; 0 when everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("--faults", type=int, default=60, help="K1: system calls to make fail, at least")
    parser.add_argument("--kills", type=int, default=100, help="K2: SIGKILLs at random times, at least")
    parser.add_argument("--seeds", type=int, default=3, help="K2: seeds to divide the kills among")
    parser.add_argument("--epochs", type=int, default=2000, help="K11: epochs of the long run")
    parser.add_argument("--searches", type=int, default=3, help="H1: searches to kill, for each storage")
    parser.add_argument("--starts", type=int, default=20, help="H2: pairs of searches, for each storage")
    parser.add_argument(
        "--pictures", nargs="*", type=Path, metavar="FOLDER", help="I1: only hostile pictures"
    )
    asked = parser.parse_args()
    proofs: list[Callable[[Path], list[str]]] = [lambda place: prove_pictures(place, asked.pictures or [])]
    if asked.pictures is not None:
        asked.faults = asked.kills = asked.epochs = asked.searches = asked.starts = 0
    if asked.faults:
        proofs.append(lambda place: prove_faults(place, asked.faults))
    if asked.kills:
        proofs.append(lambda place: prove_kills(place, asked.kills, asked.seeds))
    if asked.epochs:
        proofs.append(lambda place: prove_endurance(place, asked.epochs))
    if asked.searches or asked.starts:
        proofs.append(lambda place: prove_searches(place, asked.searches, asked.starts))
    failures = []
    for proof in proofs:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as place:
            failures += proof(Path(place))
        print(f"{time.monotonic() - begun:.0f} s\n", flush=True)
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    print("all held" if not failures else f"{len(failures)} failures")
    return bool(failures)


def prove_pictures(place: Path, folders: list[Path]) -> list[str]:
    """I1, as a table of pictures: bytes, processor seconds, memory, answer; also into docs/reliability.md."""
    print(f"I1  hostile pictures: at most {pictures.MAX_SECONDS:g} s and {pictures.MAX_MEMORY:g} MB each")
    print(f"    {'picture':46}{'bytes':>11}{'CPU s':>7}{'MB':>5}  answer")
    found = []
    for cost in pictures.costs(place, folders):
        found.append(cost)
        numbers = f"{cost.size:>11,}{cost.seconds:>7.2f}{cost.memory:>5.0f}"
        print(f"    {cost.name:46}{numbers}  {cost.answer[:120]}", flush=True)
    if not folders:  # the page has what everybody can repeat
        pictures.write_table(found)
    print("    ", end="")
    return [f"I1 {cost}" for cost in found if not cost.passed]


def prove_faults(place: Path, count: int) -> list[str]:
    """K1, as a table of calls and faults: how many of how many trainings were resumed to the same bits."""
    if not faults.available():
        return ["K1 needs strace and the right to trace"]
    trials = list(faults.faults(place, count))
    print(f"K1  {len(trials)} faults in the save path: resumed to identical bits / tried")
    print("    " + "".join(f"{word:>9}" for word in ("call", *faults.FAULTS)))
    for call in faults.CALLS:
        cells = []
        for kind in faults.FAULTS:
            tried = [trial for trial in trials if (trial.fault.call, trial.fault.kind) == (call, kind)]
            cells.append(f"{sum(not trial.failures for trial in tried)}/{len(tried)}")
        print("    " + "".join(f"{word:>9}" for word in (call, *cells)))
    codes = Counter(trial.code for trial in trials)
    print(f"    killed {codes[-9]}, ended with a message {codes[1]}, absorbed {codes[0]}; ", end="")
    return [f"{trial.fault}: {failure}" for trial in trials for failure in trial.failures]


def prove_kills(place: Path, count: int, seeds: int) -> list[str]:
    """K2, as a table of seeds: kills by stage, and runs that ended in the same bits."""
    runs = list(kills.kills(place, count, seeds))
    total = sum((run.kills for run in runs), Counter())
    print(f"K2  {total.total()} SIGKILLs at random times, a checkpoint at every step")
    print(f"    {'seed':>4}" + "".join(f"{word:>29}" for word in (*kills.STAGES, "runs identical / all")))
    for seed in range(seeds):
        these = [run for run in runs if run.seed == seed]
        by_stage = [sum(run.kills[stage] for run in these) for stage in kills.STAGES]
        identical = f"{sum(not run.failures for run in these)}/{len(these)}"
        print(f"    {seed:>4}" + "".join(f"{word:>29}" for word in (*by_stage, identical)))
    print("    ", end="")
    return [f"seed {run.seed}: {failure}" for run in runs for failure in run.failures]


def prove_endurance(place: Path, epochs: int) -> list[str]:
    """K11, as two lines."""
    found = endurance.endure(place, epochs)
    print(f"K11 {epochs:,} epochs: after a tenth of them, at the end")
    print(
        f"    memory     {found.memory[0]:.1f} MB, {found.memory[1]:.1f} MB; below +{endurance.GROWTH:.0f} MB"
    )
    print(f"    open files {found.files[0]}, {found.files[1]}; ", end="")
    return [] if found.passed else [f"K11: {found}"]


def prove_searches(place: Path, count: int, starts: int) -> list[str]:
    """H1 and H2, as a table of storages: how many of how many searches went as promised."""
    programs = database.binaries()
    if programs is None:
        return ["H1 and H2 need PostgreSQL's server: apt-get install postgresql"]
    data, failures = trainer.write_data(place / "data.npz"), []
    proofs = (
        ("H1 worker killed", count, searches.kill_worker),
        ("H1 search killed", count, searches.kill_search),
        ("H2 two at once", starts, searches.start_together),
    )
    print("H1, H2  searches as promised / tried")
    print("    " + "".join(f"{word:>20}" for word in ("storage", *(title for title, _, _ in proofs))))
    for kind in ("journal", "sqlite", "postgresql"):
        cells = []
        for title, tries, prove in proofs:
            found = []
            for number in range(tries):
                name = f"{kind}-{title.replace(' ', '-')}-{number}"
                with searches.empty_storage(kind, place / f"{name}.db", programs) as url:
                    found.append([f"{name}: {failure}" for failure in prove(place, data, url, name)])
            failures += [failure for these in found for failure in these]
            cells.append(f"{found.count([])}/{tries}")
        print("    " + "".join(f"{word:>20}" for word in (kind, *cells)), flush=True)
    print("    ", end="")
    return failures


if __name__ == "__main__":
    sys.exit(main())
