"""The pure parts of the benchmarks: statistics, bars, the table, the file. Nothing here is timed."""

import dataclasses
import json
import statistics
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.strokefont import sheet, write

from digits.evaluation.calibration import expected_calibration_error
from digits.reading.results import Digit, Number, Reading

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module benchmarks/figures.py, which is imported from its own folder."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("figures")


def test_statistics_are_those_of_the_standard_library(figures: Any) -> None:
    """Median, lowest and highest are taken over all values, whatever their order."""
    values = (3.0, 1.0, 2.5, 9.0)
    assert figures.Figure("ours", "a", "s", values).measured == {
        "median": statistics.median(values),
        "lowest": min(values),
        "highest": max(values),
    }


def test_ratios_are_taken_round_by_round(figures: Any) -> None:
    """A round slow for both sides changes no ratio, and a peer that was not measured gives none."""
    assert figures.ratios((6.0, 60.0), (2.0, 20.0)) == (3.0, 3.0)
    assert figures.ratios((), (2.0, 20.0)) == ()


@pytest.mark.parametrize(
    ("judged", "limit", "verdict"),
    [
        ("median", ("at most", 2.0), "PASS"),
        ("highest", ("at most", 2.0), "FAIL"),
        ("highest", ("at most", 3.0), "PASS"),
        ("lowest", ("at least", 1.5), "FAIL"),
        ("lowest", ("at least", 1.0), "PASS"),
    ],
)
def test_a_bar_is_held_against_the_value_it_is_meant_for(
    figures: Any, judged: str, limit: tuple[str, float], verdict: str
) -> None:
    """The bar is inclusive and looks at the median, the worst or the best value, as the figure says."""
    bar = figures.Limit(*limit)
    assert figures.Figure("ours", "a", "s", (1.0, 2.0, 3.0), bar, judged=judged).verdict == verdict


def test_nothing_measured_keeps_to_no_bar(figures: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A bar whose peer is not installed fails the benchmark and is named, an aim alone does not."""
    missing = figures.Figure("ratio", "tutorial : ours", "×", (), figures.at_least(6.5))
    missed = figures.Figure("ratio", "ours : products", "×", (1.6,), aim=figures.at_most(1.5))
    assert missing.verdict == "NOT MEASURED"
    assert missed.verdict == "aim missed"
    assert figures.exit_code({"a": [missed]}) == 0
    assert figures.exit_code({"a": [missed], "b": [missing]}) == 1
    assert "tutorial : ours ≥ 6.5" in capsys.readouterr().err


def test_not_a_number_keeps_to_no_bar(figures: Any) -> None:
    """NaN fails a bar of either kind."""
    assert not figures.at_most(1.0).holds(float("nan"))
    assert not figures.at_least(1.0).holds(float("nan"))


def test_the_table_lines_up(figures: Any) -> None:
    """Every figure's line has its unit and its bar in the same column, measured or not."""
    rows = [
        figures.Figure("floor", "short", "s", (0.1234, 1234.5), figures.at_most(1)),
        figures.Figure("ratio", "a much longer name", "×", (), figures.at_most(1)),
        figures.Figure("ours", "memory", "MB", (506.2,), figures.at_most(1)),
    ]
    title, head, *lines = figures.table("Title", rows).splitlines()
    assert title == "Title"
    assert {line.index("≤") for line in lines} == {head.index("bar")}
    assert len({line.index(f" {row.unit} ") for line, row in zip(lines, rows, strict=True)}) == 1


def test_the_file_holds_every_value_and_how_it_came_about(figures: Any, tmp_path: Path) -> None:
    """What is saved reads back as JSON with circumstances, all values and verdicts."""
    figure = figures.Figure("ours", "an epoch", "s", (0.25, 0.27), figures.at_most(1.0))
    about = figures.circumstances(["python", "benchmarks/speed.py"])
    figures.save(tmp_path / "results" / "speed.json", about, {"Speed": [figure]})
    content = json.loads((tmp_path / "results" / "speed.json").read_text())
    assert content["command"] == "python benchmarks/speed.py"
    assert {"date", "versions", "processor", "cores", "load average at the start"} <= set(content)
    (saved,) = content["figures"]["Speed"]
    assert (saved["values"], saved["median"], saved["verdict"]) == ([0.25, 0.27], 0.26, "PASS")
    assert saved["bar"] == {"kind": "at most", "value": 1.0}


def test_the_floor_does_all_products_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The eight products have the 29 million multiplications and additions of a step of 64 images."""
    monkeypatch.syspath_prepend(BENCHMARKS / "peers")
    pairs = import_module("products").operands(128, 64, 64)
    weights = 784 * 128 + 128 * 64 + 64 * 10
    assert sum(2 * a.numel() * len(b) for a, b in pairs) == 2 * 64 * (2 * weights + 128 * 64 + 64 * 10)


# ------------------------------------------------------------------------------------------- handwriting


@pytest.fixture
def handwriting(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module benchmarks/handwriting.py."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("handwriting")


def test_calibration_error_is_that_of_evaluate(handwriting: Any) -> None:
    """Of probabilities that sum to 1 it is the expected calibration error, bin by bin."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (500, 10))
    labels = generator.integers(0, 10, 500)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    ours = handwriting.calibration_error(probabilities.max(1), probabilities.argmax(1) == labels)
    theirs = expected_calibration_error(torch.from_numpy(logits), torch.from_numpy(labels))
    assert ours == pytest.approx(theirs)
    assert handwriting.calibration_error(np.array([0.0, 0.0]), np.array([False, False])) == 0


def test_handwriting_is_counted_as_it_was_read(
    handwriting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Singles, rows, non-digits, damaged files and arrays, each with its counts."""
    rows = Image.new("L", (500, 420), 255)
    write(rows, "147", (60, 50), 110)
    write(rows, "20", (60, 240), 110)
    for name, picture in {"3": sheet("3"), "rows": rows, "blank": Image.new("L", (90, 90), 255)}.items():
        picture.save(tmp_path / f"{name}.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "labels.csv").write_text(
        "file,label,kind,style\n3.png,3,single,photo\n3.png,8,single,paint\nbad.png,5,single,photo\n"
        "rows.png,147_20,multi,photo\nblank.png,none,none,paint\n3.png,none,none,photo\n"
    )
    (tmp_path / "more" / "USPS").mkdir(parents=True)
    np.savez(tmp_path / "more" / "USPS" / "a.npz", x=np.asarray(sheet("3"))[None], y=np.array([3]))
    out = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["handwriting.py", "--data", str(tmp_path), "--out", str(out)])
    handwriting.main()
    sets = json.loads(out.read_text())["sets"]
    counts = {
        name: {key: (value["count"], value["of"]) for key, value in figures["shares"].items()}
        for name, figures in sets.items()
    }
    assert list(counts) == ["single", "single, as pages", "multi", "none", "none, as pages", "USPS"]
    assert counts["single, as pages"]["text"] == (1, 3)
    assert counts["none, as pages"]["accepted"] == (1, 2)
    assert counts["single"] == {
        "best guess": (1, 3),
        "best guess, photos and scans": (1, 2),
        "best guess, paint": (0, 1),
        "best guess, photo": (1, 2),
        "text": (1, 3),
        "refused": (1, 3),
        "wrong": (1, 3),
    }
    assert counts["multi"] == {"best guess": (1, 1), "text": (1, 1), "refused": (0, 1), "wrong": (0, 1)}
    assert counts["none"]["accepted"] == (1, 2)
    assert counts["none"]["accepted, photo"] == (1, 1)
    assert counts["USPS"]["best guess"] == (1, 1)
    assert "accepted" in capsys.readouterr().out
    assert sets["multi"]["confidence"]["coverage"][0]["reached"]["of"] == 1
    assert sets["multi"]["digit_confidence"]["coverage"][0]["reached"]["of"] == 5
    assert sets["none"]["confidence"] is None


def test_a_folder_of_files_and_texts_is_measured(
    handwriting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the column text only the digits count, and no digits mean "none"; --every reads a part."""
    sheet("3").save(tmp_path / "3.png")
    Image.new("L", (90, 90), 255).save(tmp_path / "blank.png")
    (tmp_path / "labels.csv").write_text('file,text\n3.png,$3.-\n3.png,"8\n1/4"\nblank.png,\nblank.png,ab\n')
    rows = handwriting.listed(tmp_path)
    assert [(r["kind"], r["label"]) for r in rows] == [
        ("multi", "3"),
        ("multi", "8_14"),
        ("none", "none"),
        ("none", "none"),
    ]
    out = tmp_path / "out.json"
    command = ["handwriting.py", "--data", str(tmp_path), "--every", "2"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):  # a part of the pictures does not replace the results of all
        handwriting.main()
    assert "--every" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [*command, "--out", str(out)])
    handwriting.main()
    sets = json.loads(out.read_text())["sets"]
    text = sets["multi"]["shares"]["text"]
    assert (text["count"], text["of"]) == (1, 1)
    assert sets["none, as pages"]["shares"]["accepted"]["of"] == 1
    *_, last = capsys.readouterr().out.splitlines()
    assert last.index(" of ") == 51


@pytest.mark.parametrize(
    ("text", "label", "right"),
    [
        ("4071", "4071", [True] * 4),
        ("4971", "4071", [True, False, True, True]),
        ("14071", "4071", [False, True, True, True, True]),
        ("471", "4071", [True] * 3),
        ("12", "", [False, False]),
        ("", "4071", []),
    ],
)
def test_a_digit_is_right_at_its_place(handwriting: Any, text: str, label: str, right: list[bool]) -> None:
    """Digits are compared place by place; a surplus or missing digit does not make those behind it wrong."""
    assert handwriting.matched(text, label) == right


def number(text: str, row: int, probability: float) -> Any:
    """A number of a reading, whose box and digits do not matter."""
    return Number(text, "".join(filter(str.isdecimal, text)), row, (0, 0, 9, 9), probability)


def test_the_text_of_a_picture_has_the_probability_of_all_its_numbers(handwriting: Any) -> None:
    """Numbers are joined by row, without their signs; rows without a number leave no gap in the text."""
    digits = tuple(
        Digit(int(d), 0.9, True, None, (0, 0, 9, 9), row, (0.09,) * 10, np.zeros((28, 28), np.float32))
        for row, text in ((0, "125"), (2, "7"))
        for d in text
    )
    numbers = (number("1.2", 0, 0.9), number("-5", 0, 0.8), number("7", 2, 0.5))
    reading = Reading(digits, 90, 90, numbers=numbers)

    class Reader:
        def read_many(self, pictures: Any, *, single: bool) -> Any:
            return (reading for _ in pictures)

    samples = [handwriting.Sample("a.png", "125_7", numbers=("1.2", "-5", "7"))]
    figures, (outcome,) = handwriting.measure(Reader(), samples, single=False)
    assert outcome.text == "125_7"
    assert outcome.text_probability == pytest.approx(0.36)
    assert figures.shares["numbers"].count == 1
    assert figures.digit_confidence.groups[0].right.count == 4


@pytest.fixture
def confidence(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module benchmarks/confidence.py."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("confidence")


def test_coverage_and_error_are_those_of_a_count(confidence: Any) -> None:
    """Answers that reach a limit and the wrong ones among them, the surest half, and groups."""
    probabilities = np.array([0.995, 0.98, 0.975, 0.9, 0.6, 0.3, 0.0, 0.0])
    right = np.array([True, True, False, True, True, False, False, False])
    found = confidence.confidence_of(probabilities, right)
    counts = [(c.limit, c.reached.count, c.wrong.count, c.wrong.of) for c in found.coverage]
    assert counts == [(0.5, 5, 1, 5), (0.8, 4, 1, 4), (0.9, 4, 1, 4), (0.95, 3, 1, 3), (0.99, 1, 0, 1)]
    half = found.surest_half_wrong
    assert (half.count, half.of) == (1, 4)
    assert found.curve[-1] == pytest.approx(4 / 8)
    groups = [(g.low, g.high, round(g.probability, 4), g.right.count, g.right.of) for g in found.groups]
    assert groups == [
        (0.0, 0.5, 0.3, 0, 1),
        (0.5, 0.8, 0.6, 1, 1),
        (0.8, 0.9, 0.9, 1, 1),
        (0.97, 0.99, 0.9775, 1, 2),
        (0.99, 1.0, 0.995, 1, 1),
    ]


def test_what_is_never_so_sure_has_no_error(confidence: Any) -> None:
    """A limit that no answer reaches has no wrong ones, and no line says 0 of 0."""
    found = confidence.confidence_of(np.array([0.6]), np.array([False]))
    assert [at.wrong is None for at in found.coverage] == [False, True, True, True, True]
    assert all(value.of == 1 for _, value in confidence.lines(found, "digits"))


def test_the_figure_of_confidence_shows_what_was_counted(
    confidence: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each series has a point for each large group and a curve; all texts lie inside the figure."""
    monkeypatch.syspath_prepend(BENCHMARKS.parent / "docs")
    picture = import_module("confidence_picture")
    assert picture.height(0.99) == pytest.approx(2)
    probabilities = np.repeat([0.3, 0.7, 0.93, 0.98, 0.996], (5, 30, 40, 50, 75))
    right = np.random.default_rng(0).random(200) < probabilities
    found = dataclasses.asdict(confidence.confidence_of(probabilities, right))
    series = [picture.Series("bank cheques", found, "#D55E00", "D")]
    figure = picture.confidence_figure(series)
    _, groups, curves = figure.axes
    points = [
        line for line in groups.lines if line.get_marker() == "D" and line.get_transform() == groups.transData
    ]
    assert [round(float(line.get_xdata()[0]), 3) for line in points] == [
        round(picture.height(p), 3) for p in (0.7, 0.93, 0.98, 0.996)
    ]
    assert len(curves.lines[0].get_xdata()) == confidence.STEPS * 9 // 10 + 1
    for text in (text for axes in figure.axes for text in axes.texts):
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width
