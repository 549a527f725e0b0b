"""Group pen strokes into rows, which may slope.

The web page has the same functions in JavaScript (static/strokes.js). Limits were chosen on drawings of
benchmarks/strokes.py, with other seeds than those of its figures.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from digits.data.pen import Points
from digits.reading.rows import rows_of

SMALL_STROKE = 0.4  # of the tallest stroke's height; a lower stroke joins a row and begins none
DIGIT_HEIGHT = 1.2  # of a digit, in median heights of the strokes, some of which are only parts of digits
TOUCHING = 0.06  # strokes that are at most this far apart touch, in heights of digits
TWO_ROWS = 1.7  # median heights; strokes that touch and are higher together join two rows
STACKED_GAP, STACKED_WIDTH = 0.3, 0.6  # rows are the halves of digits (8) with this gap and common width
SHARED_WIDTH = 0.3  # strokes that share more of the narrower's width may be one character
MOST_COMPARED = (
    200  # strokes, each with each other; a hundred digits have fewer, and it takes a second at most
)
MOST_POINTS = 33  # of a stroke, for the distance between strokes; others are left out evenly


@dataclass(frozen=True, eq=False)
class Place:
    """A box in a drawing, in the unit of its points."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Width of the box."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height of the box."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """Middle of the box, across."""
        return (self.left + self.right) / 2


@dataclass(frozen=True, eq=False)
class Stroke(Place):
    """A pen stroke.

    Attributes:
        number: Place in the order of drawing, from 0.
        points: (N, 2) as x and y, at least one.
    """

    number: int
    points: Points

    @classmethod
    def of(cls, number: int, points: Points) -> "Stroke":
        """Create a stroke from its points (N, 2)."""
        (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return cls(left, top, right, bottom, number, points)


def around(places: Sequence[Place]) -> Place:
    """Return the box around boxes."""
    return Place(
        min(p.left for p in places),
        min(p.top for p in places),
        max(p.right for p in places),
        max(p.bottom for p in places),
    )


def stroke_height(strokes: Sequence[Place]) -> float:
    """Return the median height of strokes that are not small; of flat ones, the largest width."""
    tallest = max(stroke.height for stroke in strokes)
    found = statistics.median(s.height for s in strokes if s.height >= SMALL_STROKE * tallest)
    return float(found) or max(max(stroke.width for stroke in strokes), 1e-6)


def clusters_of(strokes: Sequence[Stroke], height: float) -> list[list[Stroke]]:
    """Group strokes that touch one another, directly or through others.

    Args:
        strokes: The strokes.
        height: Height of the digits, approximately; strokes touch that are TOUCHING times it apart.

    Returns:
        Groups in the order of their first strokes, each in the order of `strokes`; of more strokes than
        MOST_COMPARED, each alone.
    """
    if len(strokes) > MOST_COMPARED:
        return [[stroke] for stroke in strokes]
    limit = TOUCHING * height
    group = list(range(len(strokes)))  # of each stroke: the first stroke of its group
    order = sorted(group, key=lambda i: strokes[i].left)
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            if strokes[j].left > strokes[i].right + limit:
                break
            if group[i] != group[j] and distance(strokes[i], strokes[j], limit) <= limit:
                old, new = max(group[i], group[j]), min(group[i], group[j])
                group = [new if each == old else each for each in group]
    return [[strokes[i] for i in range(len(group)) if group[i] == first] for first in sorted(set(group))]


def rows_of_strokes(strokes: Sequence[Stroke]) -> list[list[Stroke]]:
    """Group strokes into rows, which may slope.

    Strokes that touch are in one row, unless they are so high together that they join two rows.

    Returns:
        Rows from top to bottom, each with strokes from left to right by their middles.
    """
    if not strokes:
        return []
    clusters = [_Cluster.of(members) for members in clusters_of(strokes, stroke_height(strokes))]
    height = stroke_height(clusters)
    if any(cluster.height > TWO_ROWS * height for cluster in clusters):
        height = stroke_height(strokes)
        clusters = [_Cluster.of([stroke]) for stroke in strokes]
    high = [cluster for cluster in clusters if cluster.height >= SMALL_STROKE * height]
    rows = _whole_digits(rows_of(high or clusters, DIGIT_HEIGHT * height))
    if high:
        cores = [list(row) for row in rows]
        for cluster in clusters:
            if cluster.height < SMALL_STROKE * height:
                rows[_nearest_row(cluster, cores)].append(cluster)
    found = [[stroke for cluster in row for stroke in cluster.strokes] for row in rows]
    return [sorted(row, key=lambda stroke: stroke.middle) for row in found]


@dataclass(frozen=True, eq=False)
class _Cluster(Place):
    """Strokes that touch."""

    strokes: list[Stroke]

    @classmethod
    def of(cls, strokes: list[Stroke]) -> "_Cluster":
        """Create a cluster from its strokes."""
        box = around(strokes)
        return cls(box.left, box.top, box.right, box.bottom, strokes)


def row_height(row: Sequence[Stroke]) -> float:
    """Return the median height of a row's characters: strokes above one another count as one."""
    columns: list[Place] = []
    for stroke in sorted(row, key=lambda stroke: (stroke.left, stroke.right)):
        if columns:
            shared = min(stroke.right, columns[-1].right) - stroke.left
            if shared >= SHARED_WIDTH * min(stroke.width, columns[-1].width):
                columns[-1] = around([columns[-1], stroke])
                continue
        columns.append(stroke)
    return stroke_height(columns)


def _whole_digits(rows: list[list[_Cluster]]) -> list[list[_Cluster]]:
    """Join the only two rows if they are the upper and lower halves of the same digits."""
    if len(rows) == 2 and _are_halves(*rows):  # three rows so close are rows
        return [[*rows[0], *rows[1]]]
    return rows


def _are_halves(upper: Sequence[_Cluster], lower: Sequence[_Cluster]) -> bool:
    """Check if each stroke of the shorter row nearly touches one above or below it."""

    def touches(a: _Cluster, b: _Cluster) -> bool:
        shared = min(a.right, b.right) - max(a.left, b.left)
        gap = b.top - a.bottom
        return shared >= STACKED_WIDTH * min(a.width, b.width) and gap <= STACKED_GAP * min(
            a.height, b.height
        )

    if len(upper) <= len(lower):
        return all(any(touches(a, b) for b in lower) for a in upper)
    return all(any(touches(a, b) for a in upper) for b in lower)


def _nearest_row(cluster: _Cluster, rows: Sequence[Sequence[_Cluster]]) -> int:
    """Return the index of the row that is nearest to a small cluster. Distances down count twice."""

    def away(other: _Cluster) -> float:
        across = max(0.0, other.left - cluster.right, cluster.left - other.right)
        return across + 2 * max(0.0, other.top - cluster.bottom, cluster.top - other.bottom)

    return min(range(len(rows)), key=lambda row: min(map(away, rows[row])))


def distance(a: Stroke, b: Stroke, limit: float) -> float:
    """Return the distance between two strokes, 0 if they cross; infinity if it is surely above `limit`."""
    across, down = max(a.left, b.left) - min(a.right, b.right), max(a.top, b.top) - min(a.bottom, b.bottom)
    if max(across, down) > limit:
        return math.inf
    first, second = _fewer_points(a.points), _fewer_points(b.points)
    if _cross(first, second):
        return 0.0
    return math.sqrt(min(_squared_distance(first, second), _squared_distance(second, first)))


def _fewer_points(points: Points) -> Points:
    """Leave out points evenly, so that at most MOST_POINTS remain; the last one stays."""
    step = math.ceil((len(points) - 1) / (MOST_POINTS - 1)) or 1
    return np.concatenate([points[:-1:step], points[-1:]])


def _cross(first: Points, second: Points) -> bool:
    """Check if any segments of two lines cross."""
    a, b = first[:-1, None], first[1:, None]  # (M, 1, 2)
    c, d = second[None, :-1], second[None, 1:]  # (1, N, 2)

    def turns_left(p: Points, q: Points, r: Points) -> np.ndarray:
        return (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) > (q[..., 1] - p[..., 1]) * (
            r[..., 0] - p[..., 0]
        )

    apart = (turns_left(a, b, c) != turns_left(a, b, d)) & (turns_left(c, d, a) != turns_left(c, d, b))
    return bool(apart.any())


def _squared_distance(points: Points, line: Points) -> float:
    """Return the smallest squared distance of points (M, 2) from a line (N, 2)."""
    start, end = (line[:-1], line[1:]) if len(line) > 1 else (line, line)
    ax, ay = end[:, 0] - start[:, 0], end[:, 1] - start[:, 1]
    length = np.maximum(ax * ax + ay * ay, 1e-12)
    x, y = points[:, None, 0] - start[:, 0], points[:, None, 1] - start[:, 1]  # (M, N)
    part = np.clip((x * ax + y * ay) / length, 0, 1)
    x, y = x - part * ax, y - part * ay
    return float((x * x + y * y).min())
