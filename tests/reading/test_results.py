"""Answers and options of reading."""

from pathlib import Path

import pytest
from support.strokefont import sheet

from digits.errors import OptionError
from digits.reading.options import THRESHOLD, PredictOptions
from digits.reading.reader import Reader


def test_answers_are_ready_for_json() -> None:
    """A reading in JSON has the text and, for each mark, five fields."""
    reading = Reader.load("cnn").read(sheet("42"))
    found = reading.to_json()
    assert found["text"] == "42"
    for digit, fields in zip(reading.digits, found["digits"], strict=True):
        assert fields["digit"] == digit.digit
        assert fields["probability"] == pytest.approx(digit.probability, abs=1e-4)
        assert (fields["accepted"], fields["reason"], fields["box"]) == (True, None, list(digit.box))


def test_options_are_checked() -> None:
    """No picture, a threshold outside [0, 1] and an explanation that is no PNG file are refused."""
    picture = Path("photo.jpg")
    assert PredictOptions((picture,), explain=Path("a.PNG")).threshold == THRESHOLD
    with pytest.raises(OptionError, match="no picture"):
        PredictOptions(())
    with pytest.raises(OptionError, match="from 0 to 1"):
        PredictOptions((picture,), threshold=1.1)
    with pytest.raises(OptionError, match="PNG"):
        PredictOptions((picture,), explain=Path("a.jpg"))
