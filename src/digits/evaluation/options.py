"""Options of `digits evaluate` and `digits compare`."""

from dataclasses import dataclass

from digits.options import DataOptions, at_least


@dataclass(frozen=True, kw_only=True)
class TestOptions(DataOptions):
    """Options that both commands have."""

    __test__ = False  # pytest would take the class for a test

    json: bool = False
    """Print one JSON object instead of a table."""
    threads: int = 1
    """Number of processor threads."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("threads", self.threads, 1)


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
