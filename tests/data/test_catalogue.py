"""The catalogue of published data sets is complete and well formed."""

from typing import get_args

import pytest

from digits.data.catalogue import DATASETS, QMNIST_TABLES, RemoteFile
from digits.options import Dataset


def test_catalogue_names_the_four_files_of_each_set() -> None:
    """Each data set has MNIST's four names, in one order, with the sizes their headers imply."""
    for files in (known_set.files for known_set in DATASETS.values()):
        assert [file.name for file in files] == [
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        ]
        assert [file.size for file in files] == [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]
    assert {file.size for file in QMNIST_TABLES} == {12 + 60_000 * 8 * 4}


def test_catalogue_is_well_formed() -> None:
    """All digests differ; every file has at least two addresses, all https, that end in its name."""
    files = [
        file
        for files in (*(known_set.files for known_set in DATASETS.values()), QMNIST_TABLES)
        for file in files
    ]
    assert len({file.sha256 for file in files}) == len(files) == 14
    for file in files:
        assert len(set(file.urls)) >= 2
        assert all(url.startswith("https://") and url.endswith(f"/{file.name}.gz") for url in file.urls)


@pytest.mark.parametrize("digest", ["", "0" * 63, "0" * 65, "A" * 64])
def test_a_malformed_digest_is_refused(digest: str) -> None:
    """A catalogue entry whose SHA-256 is missing, too short, too long or in capitals cannot be made."""
    with pytest.raises(ValueError, match="expected 64 lower-case hexadecimal digits"):
        RemoteFile("name", 1, digest)


def test_every_dataset_option_has_one_entry() -> None:
    """`--dataset` offers exactly the data sets of the catalogue, each with four files and ten class names."""
    assert set(DATASETS) == set(get_args(Dataset))
    for known_set in DATASETS.values():
        assert len(known_set.files) == 4
        assert len(set(known_set.classes)) == 10
        assert known_set.training_images == 60_000
    assert len({known_set.torchvision_folder for known_set in DATASETS.values()}) == len(DATASETS)
