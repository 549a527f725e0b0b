"""Limit the work for one picture, so that no picture takes long, whatever it shows.

Work is counted, not measured with a clock: a picture gets the same answer on every machine. One unit is about
one microsecond of one core (measured on the machine of docs/reliability.md). The constants named WORK say
what a step costs; they were measured, and rounded up.
"""

from dataclasses import dataclass

WORK = 1_000_000  # units for one picture; a page of 400 separate digits needs about half of it


@dataclass
class Work:
    """The work that is left for one picture, and what was left out for want of it.

    Attributes:
        left: Units that are left.
        marks: Number of marks (candidate digits) that were not classified.
        uncut: Number of characters that may be several digits and were taken as one.
        components: Number of pieces of ink that were not looked at.
    """

    left: float = WORK
    marks: int = 0
    uncut: int = 0
    components: int = 0

    def spend(self, amount: float) -> bool:
        """Spend units of work if enough are left; return True if so."""
        if amount > self.left:
            return False
        self.left -= amount
        return True

    def charge(self, amount: float) -> None:
        """Subtract units of work that cannot be left out; less is left for what can."""
        self.left -= amount

    def notes(self) -> tuple[str, ...]:
        """Return sentences for the user about what was left out."""
        part = "read a part of the picture by itself to see more"
        counts = (
            (self.components, "piece of ink was not looked at", "pieces of ink were not looked at"),
            (self.marks, "mark was not read", "marks were not read"),
            (self.uncut, "mark was not divided into digits", "marks were not divided into digits"),
        )
        return tuple(
            f"{count:,} {one if count == 1 else several}: the picture shows too much; {part}"
            for count, one, several in counts
            if count
        )
