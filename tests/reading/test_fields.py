"""Fields: the most probable text that fits, how probable it is, and what is said if none does."""

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strokefont import sheet

from digits.errors import OptionError
from digits.reading import roster
from digits.reading.fields import FITS, Field, Filled
from digits.reading.marks import FormCell, Mark, PictureMarks, RowEvidence
from digits.reading.options import THRESHOLD, PredictOptions
from digits.reading.reader import Reader
from digits.reading.results import to_digit
from digits.reading.roster import Roster
from digits.reading.text_probability import MISSED, text_probabilities, with_misreadings

IMAGE = np.zeros((28, 28), np.float32)
Chances = npt.NDArray[np.float64]


def sure(text: str, probability: float = 0.98) -> Chances:
    """Probabilities (K, 10) of marks that are these digits, almost for certain; "x" is no digit."""
    found = np.full((len(text), 10), (0.999 - probability) / 9)
    for place, character in enumerate(text):
        if character == "x":
            found[place] = 0.0005
        else:
            found[place, int(character)] = probability
    return found


def filled(
    asked: Field,
    *rows: Chances,
    cells: tuple[FormCell, ...] = (),
    places: dict[int, int] | None = None,
    evidence: tuple[RowEvidence, ...] = (),
) -> Filled:
    """The field of a picture with these rows of marks; `places` has the cell of some marks."""
    marks, digits = [], []
    for row, chances in enumerate(rows):
        for n, probabilities in enumerate(chances):
            cell = (0, 0, places[n]) if places and n in places else None
            mark = Mark(IMAGE, (50 * n, 100 * row, 30, 40), row, cell=cell)
            marks.append(mark)
            digits.append(to_digit(mark, probabilities, bool(probabilities.sum() > 0.5)))
    found = PictureMarks(1000, 1000, tuple(marks), light_ink=False, cells=cells, rows=evidence)
    return asked.fill(found, digits, THRESHOLD)


def only(answer: Filled) -> tuple[str, float]:
    """The text and the probability of the only number."""
    (number,) = answer.numbers
    return number.text, number.probability


# ------------------------------------------------------------------------------- the probability of a text


def slowly(chances: Chances, text: str, missed: float) -> float:
    """The probability of a text by going through all ways to lay marks on its digits."""
    wide = with_misreadings(chances)
    total = 0.0
    for taken in range(min(len(wide), len(text)) + 1):
        for marks in itertools.combinations(range(len(wide)), taken):
            rest = math.prod(wide[k, 10] for k in range(len(wide)) if k not in marks)
            for places in itertools.combinations(range(len(text)), taken):
                hits = math.prod(wide[k, int(text[j])] for k, j in zip(marks, places, strict=True))
                # The digits without a mark may stand between the same two marks in one order only.
                total += (
                    rest * hits * (missed / 10) ** (len(text) - taken) * _orders(marks, places, wide, text)
                )
    return total


def _orders(marks: tuple[int, ...], places: tuple[int, ...], wide: Chances, text: str) -> int:
    """In how many orders dropped marks and digits without a mark can follow each other."""
    ends = [(-1, -1), *zip(marks, places, strict=True), (len(wide), len(text))]
    steps = ((b[0] - a[0] - 1, b[1] - a[1] - 1) for a, b in itertools.pairwise(ends))
    return math.prod(math.comb(dropped + absent, absent) for dropped, absent in steps)


@given(st.integers(0, 4), st.text("0123456789", min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_the_probability_of_a_text_is_the_sum_over_all_ways(marks: int, text: str, seed: int) -> None:
    """The fast sum for many texts is that of a slow, obvious one."""
    chances = np.random.default_rng(seed).dirichlet(np.ones(11), marks)[:, :10]
    digits = np.array([[int(c) for c in text]], np.uint8)
    for missed in (0.0, MISSED):
        (found,) = text_probabilities(chances, digits, missed=missed)
        assert found == pytest.approx(slowly(chances, text, missed), rel=1e-9, abs=1e-15)


def test_all_texts_together_are_certain() -> None:
    """Without missed digits the probabilities of all texts of all lengths sum to 1."""
    chances = sure("40x", 0.7)
    total = math.prod(with_misreadings(chances)[:, 10])
    for length in (1, 2, 3):
        texts = np.array(list(itertools.product(range(10), repeat=length)), np.uint8)
        total += text_probabilities(chances, texts, missed=0.0).sum()
    assert total == pytest.approx(1)


# -------------------------------------------------------------------------------------- length and pattern


def test_a_length_takes_the_most_digit_like_marks() -> None:
    """Too many marks: those that are least like digits are left out, wherever they stand."""
    text, probability = only(filled(Field(length=4), sure("x40x71")))
    assert text == "4071"
    assert probability > 0.8
    doubtful = sure("40871")
    doubtful[2] *= 0.3
    assert only(filled(Field(length=4), doubtful))[0] == "4071"
    assert only(filled(Field(length=4), sure("4071")))[1] > only(filled(Field(length=4), doubtful))[1]


def test_the_best_text_is_the_best_of_all() -> None:
    """Compared with all texts of that length, by the probability that the field gives."""
    chances = np.random.default_rng(3).dirichlet(np.full(11, 0.3), 4)[:, :10]
    chances[:, 5] += 0.15  # every mark may be a digit
    chances /= chances.sum(axis=1, keepdims=True) * 1.05
    text, probability = only(filled(Field(length=3), chances))
    texts = np.array(list(itertools.product(range(10), repeat=3)), np.uint8)
    found = text_probabilities(chances, texts, missed=0.0)
    assert text == "".join(map(str, texts[found.argmax()]))
    every = found.sum()
    assert probability == pytest.approx(FITS * found.max() / (FITS * every + (1 - FITS) * (1 - every)))


def test_a_pattern_writes_its_signs_and_keeps_its_digits() -> None:
    """# is any digit, a digit is itself, and the signs need not have been seen."""
    assert only(filled(Field(pattern="##.##"), sure("1250")))[0] == "12.50"
    assert only(filled(Field(pattern="##/##/20##"), sure("14102014")))[0] == "14/10/2014"
    chances = sure("1014")
    chances[0] = 0.0
    chances[0, [7, 2]] = 0.6, 0.39
    assert only(filled(Field(pattern="####"), chances))[0] == "7014"
    assert only(filled(Field(pattern="2###"), chances))[0] == "2014"


def test_too_few_digits_are_said() -> None:
    """No number, and how many digits were found and expected; letters do not count."""
    for rows, words in (
        ((sure("40"), sure("123")), "3 digits were found in a line; expected 4"),
        ((sure("x4xxx"),), "1 digit was found in a line; expected 4"),
        ((), "no digit was found in a line; expected 4"),
    ):
        answer = filled(Field(length=4), *rows)
        assert (answer.numbers, answer.notes) == ((), (words,))


def test_what_fits_twice_is_half_as_sure() -> None:
    """Of two lines of four digits each is the field with about one half; of one, with nearly 1."""
    one = only(filled(Field(length=4), sure("4071"), sure("12")))
    two = only(filled(Field(length=4), sure("4071"), sure("1234")))
    assert one[0] == two[0] == "4071"
    assert one[1] > 0.85
    assert two[1] == pytest.approx(one[1] / 2, rel=0.1)


@dataclass(frozen=True)
class Evidence:
    """A line recogniser that knows the probabilities of some texts, and counts how often it is asked."""

    known: dict[str, float]
    probability: float = 0.5
    asked: list[str] = field(default_factory=list)

    def log_probability(self, digits: str) -> float:
        self.asked.append(digits)
        return math.log(self.known[digits]) if digits in self.known else -math.inf


def test_the_evidence_for_a_row_decides() -> None:
    """Where the whole row was read, its probabilities count and not those of single marks."""
    chances = sure("4071", 0.6)
    evidence = Evidence({"4071": 0.1, "4077": 0.8})
    chances[3, 7] = 0.35
    assert only(filled(Field(length=4), chances))[0] == "4071"
    text, probability = only(filled(Field(length=4), chances, evidence=(evidence,)))
    assert text == "4077"
    assert probability > 0.8
    assert len(evidence.asked) < 20
    listed = Roster(["4171", "4077", "1234"])
    assert only(filled(Field(roster=listed), chances, evidence=(evidence,)))[0] == "4077"


# ------------------------------------------------------------------------------------------------- rosters


def test_the_roster_mends_what_was_misread() -> None:
    """A digit that is wrong, lacks, or is too many, is found by the only entry that is near."""
    others = np.random.default_rng(0).integers(20_000_000, 30_000_000, 200)
    listed = Roster(["20230074", *map(str, others)])
    for seen in ("20230074", "20230034", "2023074", "120230074"):
        text, probability = only(filled(Field(roster=listed), sure(seen)))
        assert text == "20230074"
        assert probability > 0.9


def test_none_of_the_roster_is_an_answer() -> None:
    """A number that is not on the list, letters, and an empty picture give none, and a note says why."""
    listed = Roster(["4071", "1234", "5500"])
    for rows in ((sure("9876"),), (sure("xxxx"),), ()):
        answer = filled(Field(roster=listed), *rows)
        assert answer.numbers == ()
        assert len(answer.notes) == 1
    near = filled(Field(roster=Roster([f"{i:04}" for i in range(10000)])), sure("4071", 0.5))
    assert near.numbers == ()
    assert "the most probable one, 4071, has" in near.notes[0]


def test_twins_on_the_roster_share_the_probability() -> None:
    """Two entries between which the picture does not decide have one half each, which is too little."""
    chances = sure("4071")
    chances[3] = 0
    chances[3, [1, 7]] = 0.495
    assert filled(Field(roster=Roster(["4071", "4077"])), chances).numbers == ()
    assert only(filled(Field(roster=Roster(["4071", "4088"])), chances))[0] == "4071"


def test_an_entry_is_given_as_it_is_written() -> None:
    """Only digits are compared; the answer is the text of the list."""
    answer = filled(Field(roster=Roster(["2023-0074", "2023-0111"])), sure("20230074"))
    assert only(answer)[0] == "2023-0074"
    assert answer.numbers[0].digits == "20230074"


def test_a_large_roster_is_quick() -> None:
    """A hundred thousand IDs of nine digits: 0.05 s for a picture on a quiet core; 1 s is allowed here."""
    listed = Roster([str(100_000_000 + 8999 * i) for i in range(100_000)])
    start = time.process_time()
    assert only(filled(Field(roster=listed), sure(listed.entries[77_777])))[0] == listed.entries[77_777]
    assert time.process_time() - start < 1


FILES = {
    "lines": b"4071\n\n1234\r\n",
    "byte order mark": b"\xef\xbb\xbf4071\n1234",
    "first column": b"4071,Ada\n1234,Bob\n",
    "a column named id": b"name;Student ID;mark\nAda;4071;1\nBob;1234;2\n",
    "a column named number": b"name\tnumber\nAda\t4071\nBob\t1234\n",
    "the same number twice": b"id,course\n4071,a\n4071,b\n1234,a\n",
    "quoted": b'"id","name"\n"4071","Lovelace, Ada"\n"1234","Bob"\n',
}


@pytest.mark.parametrize("name", FILES)
def test_rosters_are_read(name: str, tmp_path: Path) -> None:
    """One number a line, or a CSV file with any usual delimiter and a named column."""
    (tmp_path / "ids.csv").write_bytes(FILES[name])
    assert Roster.load(tmp_path / "ids.csv").entries == ("4071", "1234")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "there are no numbers"),
        (b"id\n", "there are no numbers"),
        (b"id\n4071\nA123\n", "line 3 has 'A123'; expected a number"),
        (b"A123\n4071\n", "line 1 has 'A123'; expected a number"),
        (b"id\n4071.0\n", "line 2 has '4071.0', a fraction"),
        (b"20-23\n2023\n", "line 1 has '20-23' and line 2 has '2023', the same digits"),
        (b"name,id\nAda,1\nBob\n", "line 3 has 1 columns; expected 2 or more"),
        (b"1" * 40, "line 1 has 40 digits; expected at most 30"),
        (b"\xff\xfe4\x00", "not text in UTF-8"),
        (b"4071\n\x00\x1b[31m\n", "line 2 has"),
    ],
)
def test_bad_rosters_are_refused(content: bytes, words: str) -> None:
    """The line and what stands there are named, in printable characters."""
    with pytest.raises(OptionError) as caught:
        Roster.parse(content, "ids.csv")
    assert str(caught.value).startswith("ids.csv: ")
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_roster_that_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file and a folder are errors of the option; too many entries too."""
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(OptionError, match="could not read the roster"):
            Roster.load(path)
    monkeypatch.setattr(roster, "ROSTER_ENTRIES", 100)
    assert len(Roster(str(n % 100) for n in range(500))) == 100
    with pytest.raises(OptionError, match="more than 100"):
        Roster(str(n) for n in range(101))


# --------------------------------------------------------------------------------------------------- boxes


def row_of_cells(count: int, row: int = 0, grid: int = 0) -> tuple[FormCell, ...]:
    return tuple(FormCell(grid, row, n, (50 * n, 100 * row, 50, 60)) for n in range(count))


def test_boxes_are_given_in_order() -> None:
    """Nine boxes of which six are filled: nine cells, and the numbers between the empty ones."""
    answer = filled(
        Field(cells=9),
        sure("407123"),
        cells=row_of_cells(9),
        places=dict(enumerate([0, 1, 2, 3, 6, 7])),
    )
    assert [cell.text for cell in answer.cells] == ["4", "0", "7", "1", "", "", "2", "3", ""]
    assert [number.text for number in answer.numbers] == ["4071", "23"]
    assert answer.notes == ()


def test_a_box_has_one_digit() -> None:
    """Of two marks in a box the one that is more like a digit counts; a scrawl leaves the box empty."""
    answer = filled(Field(cells=3), sure("4x7x"), cells=row_of_cells(3), places={0: 0, 1: 0, 2: 1, 3: 2})
    assert [cell.text for cell in answer.cells] == ["4", "7", ""]


def test_boxes_and_a_roster() -> None:
    """What stands in the boxes is compared with the roster; marks outside do not matter."""
    listed = Roster(["407123", "407128"])
    answer = filled(
        Field(cells=6, roster=listed),
        sure("4071285"),
        cells=row_of_cells(6),
        places={n: n for n in range(6)},
    )
    assert only(answer)[0] == "407128"
    assert len(answer.cells) == 6


def test_the_right_number_of_boxes_is_found() -> None:
    """Of rows of 4 and 6 boxes the one asked for; of two the fuller one, with a note; a block as a whole."""
    cells = (*row_of_cells(4), *row_of_cells(6, row=0, grid=1))
    answer = filled(Field(cells=4), sure("40"), cells=cells, places={0: 0, 1: 1})
    assert [cell.grid for cell in answer.cells] == [0] * 4
    two = filled(Field(cells=4), sure("40"), cells=(*row_of_cells(4), *row_of_cells(4, 1)), places={0: 1})
    assert "2 rows or blocks of 4 boxes were found" in two.notes[0]
    assert [cell.row for cell in two.cells] == [0] * 4
    block = filled(Field(cells=8), sure("40"), cells=(*row_of_cells(4), *row_of_cells(4, 1)), places={0: 1})
    assert len(block.cells) == 8


def test_without_boxes_a_number_of_as_many_digits_is_read() -> None:
    """A note says that there are no such boxes."""
    answer = filled(Field(cells=4), sure("4071"))
    assert only(answer)[0] == "4071"
    assert answer.notes == ("no row or block of 4 boxes was found; there are no boxes",)
    other = filled(Field(cells=81), sure("4071"), cells=row_of_cells(6))
    assert other.numbers == ()
    assert other.notes == ("no row or block of 81 boxes was found; there are 1 row of 6",)


# ------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Field(), "needs a length, a pattern, a roster or a number of cells"),
        (lambda: Field(length=4, pattern="####"), "--length and --pattern cannot be used together"),
        (lambda: Field(length=0), "from 1 to 30"),
        (lambda: Field(cells=0), "from 1 to 1000"),
        (lambda: Field(pattern="A##"), "letters are not supported"),
        (lambda: Field(pattern="##!##"), "expected # for any digit"),
        (lambda: Field(pattern="12.50"), "expected # for any digit"),
        (lambda: Field(pattern="#" * 31), "at most 30"),
        (lambda: Field(roster="ids.csv"), "expected a Roster"),  # type: ignore[arg-type]
        (lambda: PredictOptions((), csv="a.txt"), "no picture"),  # type: ignore[arg-type]
        (lambda: PredictOptions(("a.png",), csv="a.txt"), "expected a CSV file"),  # type: ignore[arg-type]
    ],
)
def test_fields_are_checked(make: Callable[[], object], words: str) -> None:
    """What contradicts itself or cannot be read is refused with what was expected."""
    with pytest.raises(OptionError) as caught:
        make()
    assert words in str(caught.value)


def test_a_reader_reads_fields() -> None:
    """The same field from a picture, many pictures and strokes; one digit and a field contradict."""
    reader, picture = Reader.load("cnn"), sheet("4071", size=(600, 300))
    asked = Field(roster=Roster(["4071", "4077"]))
    assert reader.read(picture, field=asked).text == "4071"
    assert [answer.text for answer in reader.read_many([picture], field=asked)] == ["4071"]  # type: ignore[union-attr]
    none = reader.read(picture, field=Field(length=6))
    assert (none.text, none.notes) == ("", ("4 digits were found in a line; expected 6",))
    assert len(none.digits) == 4
    with pytest.raises(OptionError, match="one digit"):
        reader.read(picture, single=True, field=asked)
