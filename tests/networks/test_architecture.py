"""Impossible descriptions of networks are refused."""

from pathlib import Path
from typing import Any

import pytest
from support.network_files import ARCHITECTURE, archive_of, meta_bytes, model_members

from digits.errors import CheckpointError
from digits.networks.model_file import load_model


@pytest.mark.parametrize(
    "hidden",
    [[8], [8, 4, 2], [8, 0], [8, -4], [8, 4.0], [True, 4], ["8", "4"], [8, None], "84", None, [2**40, 4]],
    ids=str,
)
def test_hidden_sizes_that_cannot_be_are_refused(hidden: Any, tmp_path: Path) -> None:
    """The sizes of the hidden layers must be two whole numbers above 0 that fit the file's size limit."""
    path = tmp_path / "model.npz"
    architecture = {"name": "mlp", "hidden": hidden}
    path.write_bytes(archive_of({**model_members(), "meta": meta_bytes(architecture=architecture)}))
    with pytest.raises(CheckpointError, match="2 whole numbers"):
        load_model(path)


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        ({"name": "cnn"}, "3 whole numbers"),
        ({"name": "cnn", "channels": [4, 4]}, "3 whole numbers"),
        ({"name": "ensemble"}, "expected an mlp, a cnn or an ensemble"),
        ({"name": "ensemble", "members": []}, "expected an mlp, a cnn or an ensemble"),
        ({"name": "ensemble", "members": [ARCHITECTURE] * 65}, "expected an mlp, a cnn or an ensemble"),
        ({"name": "ensemble", "members": [{"name": "rnn"}]}, "expected an mlp, a cnn or an ensemble"),
        (
            {"name": "ensemble", "members": [{"name": "ensemble", "members": [ARCHITECTURE]}]},
            "expected an mlp",
        ),
        ({"name": ["mlp"]}, "expected an mlp, a cnn or an ensemble"),
        ("cnn", "expected an mlp, a cnn or an ensemble"),
    ],
    ids=str,
)
def test_networks_that_cannot_be_are_refused(architecture: Any, words: str, tmp_path: Path) -> None:
    """A description with an unknown kind of network or impossible sizes is refused."""
    path = tmp_path / "model.npz"
    path.write_bytes(archive_of({**model_members(), "meta": meta_bytes(architecture=architecture)}))
    with pytest.raises(CheckpointError, match=words):
        load_model(path)
