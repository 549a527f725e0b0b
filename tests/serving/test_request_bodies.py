"""JSON bodies: what is accepted, what is refused, and with which status."""

import json

import httpx
import numpy as np
import pytest

from digits.serving.error_answers import RefusedError
from digits.serving.request_bodies import DRAWINGS, CorrectionBody, parse_body

JSON_WRONG = [
    (b"", 400),
    (b"{", 400),
    (b"[" * 100_000, 400),
    (b"\xff\xfe", 400),
    (b"3", 422),
    (b"[]", 422),
    (b"{}", 422),
    (b'{"strokes": 3}', 422),
    (b'{"strokes": [], "image": []}', 422),
    (b'{"strokes": [[[1, 2, 3]]]}', 422),
    (b'{"strokes": [[["a", "b"]]]}', 422),
    (b'{"strokes": [[[NaN, 1]]]}', 422),
    (b'{"strokes": [[[1e300, 1]]]}', 422),
    (b'{"image": [[1]]}', 422),
    (json.dumps({"image": [[2] * 28] * 28}).encode(), 422),
    (json.dumps({"image": [[True] * 28] * 28}).encode(), 422),
    (json.dumps({"image": [["1"] * 28] * 28}).encode(), 422),
    (json.dumps({"image": [[float("inf")] * 28] * 28}).encode(), 422),
    (json.dumps({"image": [[10**400] * 28] * 28}).encode(), 422),
    (json.dumps({"strokes": [[[1, 1]]] * 1001}).encode(), 422),
    (json.dumps({"strokes": [[[1, 1]] * 10_001]}).encode(), 422),
]


@pytest.mark.parametrize(("body", "code"), JSON_WRONG, ids=lambda value: str(value)[:30])
def test_wrong_json_is_refused_with_the_reason(client: httpx.Client, body: bytes, code: int) -> None:
    """A body that is not JSON gets 400; JSON of another shape or with too many points gets 422."""
    answer = client.post("/api/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == code
    assert set(answer.json()) == {"error", "kind"}


IMAGE = [[0.5] * 28] * 28


def test_a_label_may_be_written_with_a_decimal_point() -> None:
    """JSON has one kind of number: 7.0 is the label 7."""
    correction = parse_body(json.dumps({"image": IMAGE, "label": 7.0}).encode(), CorrectionBody)
    assert type(correction.label) is int
    assert correction.label == 7
    assert correction.pixels().dtype == np.float32


def test_an_error_names_the_field_and_never_repeats_the_input() -> None:
    """The sentence says what was expected of which field."""
    with pytest.raises(RefusedError, match=r"^label: expected the correct digit") as refused:
        parse_body(json.dumps({"image": IMAGE, "label": "secret"}).encode(), CorrectionBody)
    assert "secret" not in str(refused.value)
    with pytest.raises(RefusedError, match=r"^expected a JSON object with strokes or image$"):
        parse_body(b'{"secret": 1}', *DRAWINGS)
