"""Options of `digits evaluate` and `digits compare`."""

from dataclasses import dataclass

from digits.options import DataOptions, Threads


@dataclass(frozen=True, kw_only=True)
class TestOptions(DataOptions):
    """Options that both commands have."""

    __test__ = False  # pytest would take the class for a test

    json: bool = False
    """Print one JSON object instead of a table."""
    threads: Threads = 1
    """Number of processor threads."""


@dataclass(frozen=True)
class EvaluateOptions(TestOptions):
    """Test a saved network on images that were not used to train it."""

    model: str
    """Folder of a run, a model file, or the name of a bundled network: cnn, mlp."""


@dataclass(frozen=True)
class CompareOptions(TestOptions):
    """Compare two saved networks on the same test images. Say whether the difference may be chance."""

    first: str
    """Folder of a run, a model file, or the name of a bundled network: cnn, mlp."""
    second: str
    """The other network: folder of a run, a model file, or cnn or mlp."""
