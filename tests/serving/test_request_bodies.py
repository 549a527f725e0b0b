"""JSON bodies: what is accepted, what is refused, and with which status."""

import json

import httpx
import pytest

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
