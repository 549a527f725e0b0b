"""Choose what is written in a line: numbers, amounts, dates, words, signs or nothing."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

WORDS_WRITTEN = (
    "name date total sum euro amount number page class grade student phone street city bank pay order "
    "cash room table price item code year month day time from to of and the is in no id nr question "
    "answer points score mark was with that this his her he she be as it for on at by an or not are "
    "have had but they you we all one two paid due tax net gross kg km cm mm ml lb usd eur chf january "
    "march april may june july august october anna ben carla david eva fritz gina hugo ines jonas "
    "klara lena maria nina otto paul rosa sara tom uwe"
)
WORDS = tuple(WORDS_WRITTEN.split())
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LONE_LETTERS = (
    "ACDEFHJKMNPQRTUVWXYacdehkmnprtuvwxyαβγδεηθλμπσφψωΣΔΩЖИЯШ&@#?"  # none of them looks like a digit
)
DOODLE = "☆"  # stands for any drawing
DISPLAY = "⓪①②③④⑤⑥⑦⑧⑨"  # digits of a seven-segment display


@dataclass(frozen=True)
class Character:
    """A character of a line and how it stands in it.

    Attributes:
        text: One character; a space is a gap.
        scale: Its height in usual heights.
        rise: How far its base is above the line's base, in digit heights.
    """

    text: str
    scale: float = 1.0
    rise: float = 0.0


def text(rng: Generator) -> list[Character]:
    """Choose the characters of a line; none for an empty line."""
    makers = list(TEXTS)
    return makers[_one_of([TEXTS[maker] for maker in makers], rng)](rng)


def _one_of(shares: list[float], rng: Generator) -> int:
    """Return an index, chosen in proportion to the shares."""
    at = rng.random() * math.fsum(shares)
    for index, share in enumerate(shares):
        at -= share
        if at < 0:
            return index
    return len(shares) - 1


def _pick(choices: dict[str, float], rng: Generator) -> str:
    """Return a text, chosen in proportion to its share."""
    return list(choices)[_one_of(list(choices.values()), rng)]


def _plain(text: str) -> list[Character]:
    return [Character(c) for c in text]


LENGTHS = [0.08, 0.14, 0.18, 0.23, 0.16, 0.09, 0.04, 0.03, 0.02, 0.01, 0.01, 0.01]  # shares of 1 to 12 digits


def _number(rng: Generator, most: int = len(LENGTHS)) -> str:
    n = 1 + _one_of(LENGTHS[:most], rng)
    if rng.random() < 0.08:  # the same digit again and again: hard to count
        return str(int(rng.integers(10))) * n
    found = "".join(map(str, rng.integers(0, 10, n)))
    if n > 1 and rng.random() < 0.25:
        zeros = int(rng.integers(1, n))
        found = found[: n - zeros] + "0" * zeros
    return found


def _digits(rng: Generator) -> list[Character]:
    """Return one number; zeros at its end may be small."""
    number = _number(rng)
    zeros = len(number) - len(number.rstrip("0"))
    if zeros in (0, len(number)) or rng.random() < 0.5:
        return _plain(number)
    scale = float(rng.uniform(0.4, 0.9))
    rise = float(rng.choice([0.0, (1 - scale) / 2, 1 - scale], p=[0.6, 0.3, 0.1]))
    return _plain(number[:-zeros]) + [Character("0", scale, rise)] * zeros


BEFORE = {
    "": 0.74, "$": 0.04, "€": 0.02, "£": 0.01, "R$": 0.03, "#": 0.03, "*": 0.02, "=": 0.02, "-": 0.06,
    "+": 0.01, "(": 0.01, "~": 0.01,
}  # fmt: skip
AFTER = {
    "": 0.57, "-": 0.1, "--": 0.06, "=": 0.03, "€": 0.02, "%": 0.03, "/": 0.04, "//": 0.02, "#": 0.02,
    "*": 0.01, "x": 0.01, ".-": 0.02, ")": 0.01, ".": 0.04, ",": 0.02,
}  # fmt: skip


def _amount(rng: Generator) -> list[Character]:
    """Return an amount of money, perhaps with thousands' points, cents and signs on both sides."""
    whole = _number(rng, 7)
    if len(whole) > 3 and rng.random() < 0.6:
        groups = [whole[max(0, i - 3) : i] for i in range(len(whole), 0, -3)][::-1]
        whole = _pick({".": 0.4, ",": 0.35, " ": 0.15, "'": 0.1}, rng).join(groups)
    characters = _plain(_pick(BEFORE, rng) + whole)
    if rng.random() < 0.65:
        cents = "".join(map(str, rng.integers(0, 10, 2))) if rng.random() < 0.5 else "00"
        scale = float(rng.uniform(0.45, 0.8)) if rng.random() < 0.25 else 1.0
        rise = float(rng.choice([0.0, 1 - scale]))
        characters += [Character(_pick({".": 0.45, ",": 0.45, "-": 0.1}, rng))]
        characters += [Character(c, scale, rise) for c in cents]
    return characters + _plain(_pick(AFTER, rng))


def _date(rng: Generator) -> list[Character]:
    """Return a date, a time, a telephone number, a fraction, a range or a decimal number."""
    kind, n = int(rng.integers(6)), rng.integers(0, 10, 12)
    day, month = str(int(rng.integers(1, 32))), str(int(rng.integers(1, 13)))
    if rng.random() < 0.5:
        day, month = day.zfill(2), month.zfill(2)
    year = str(int(rng.integers(1950, 2031)))[int(rng.choice([0, 2])) :]
    texts = (
        _pick({"/": 0.5, "-": 0.25, ".": 0.25}, rng).join([day, month, year]),
        f"{n[0] % 2}{n[1]}:{n[2] % 6}{n[3]}",
        f"({n[0]}{n[1]}{n[2]}) {n[3]}{n[4]}{n[5]}-{n[6]}{n[7]}{n[8]}{n[9]}",
        f"{_number(rng, 3)}/{_number(rng, 3)}",
        f"{_number(rng, 4)} - {_number(rng, 4)}",
        _pick({"": 0.7, "-": 0.3}, rng)
        + _number(rng, 2)
        + _pick({".": 0.6, ",": 0.4}, rng)
        + _number(rng, 3),
    )
    return _plain(texts[kind])


def _word(rng: Generator) -> str:
    if rng.random() < 0.7:
        word = WORDS[int(rng.integers(len(WORDS)))]
    else:
        word = "".join(LETTERS[i] for i in rng.integers(len(LETTERS), size=int(rng.integers(2, 9))))
    case = rng.random()
    return word.capitalize() if case < 0.4 else word.upper() if case < 0.55 else word


def _words_and_numbers(rng: Generator) -> list[Character]:
    parts = [_word(rng) + _pick({"": 0.5, ":": 0.3, ".": 0.1, ")": 0.1}, rng), _number(rng, 5)]
    if rng.random() < 0.25:
        parts = parts[::-1]
    if rng.random() < 0.2:
        parts.append(_pick({"%": 1, "€": 1, "kg": 1, "cm": 1, "h": 1, "pts": 1}, rng))
    return _plain(" ".join(parts))


def _words(rng: Generator) -> list[Character]:
    return _plain(" ".join(_word(rng) for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])))))


def _numbers(rng: Generator) -> list[Character]:
    return _plain(" ".join(_number(rng, 4) for _ in range(int(rng.integers(2, 5)))))


def _letters(rng: Generator) -> list[Character]:
    """Return one to three letters or signs that make no word."""
    count = int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))
    return _plain("".join(LONE_LETTERS[i] for i in rng.integers(len(LONE_LETTERS), size=count)))


def _doodles(rng: Generator) -> list[Character]:
    return _plain(DOODLE * int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])))


def _display(rng: Generator) -> list[Character]:
    return _plain("".join(DISPLAY[i] for i in rng.integers(10, size=int(rng.integers(1, 7)))))


def _nothing(rng: Generator) -> list[Character]:
    return []


TEXTS: dict[Callable[[Generator], list[Character]], float] = {
    _digits: 0.5,
    _amount: 0.2,
    _date: 0.07,
    _numbers: 0.05,
    _words_and_numbers: 0.04,
    _words: 0.06,
    _letters: 0.02,
    _doodles: 0.025,
    _display: 0.012,
    _nothing: 0.025,
}
