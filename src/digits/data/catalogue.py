"""The published data sets: names, sizes, SHA-256, mirrors, and the names of their classes."""

import dataclasses
import re
from collections.abc import Sequence

from digits.mnist import DIGITS
from digits.options import Dataset


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A gzip-compressed file of known content and the addresses that offer it, best first.

    Exactly one digest is known. `sha256` is of the content: mirrors may compress as they like, and the
    cache keeps the content. Where only the digest of the compressed file was ever published,
    `packed_sha256` and `packed_size` stand in, and the cache keeps the compressed file as it came,
    because only so can it be checked again each time it is used.
    """

    name: str  # of the content, without .gz
    size: int  # bytes of the content
    urls: tuple[str, ...]
    sha256: str | None = None
    packed_sha256: str | None = None
    packed_size: int | None = None  # bytes of the compressed file

    def __post_init__(self) -> None:
        if (self.sha256 is None) == (self.packed_sha256 is None):
            raise ValueError(f"{self.name} needs one digest: of the content or of the compressed file")
        if not re.fullmatch("[0-9a-f]{64}", self.digest):
            raise ValueError(f"{self.name} needs 64 lower-case hexadecimal digits, got {self.digest!r}")
        if (self.packed_sha256 is None) != (self.packed_size is None):
            raise ValueError(f"{self.name} needs packed_size with packed_sha256, and not without")

    @property
    def digest(self) -> str:
        """SHA-256 of the file as the cache keeps it."""
        return self.sha256 or self.packed_sha256 or ""

    @property
    def kept_name(self) -> str:
        """The name in the cache."""
        return self.name if self.sha256 else f"{self.name}.gz"

    @property
    def kept_size(self) -> int:
        """Bytes of the file in the cache."""
        return self.packed_size or self.size

    @property
    def most_packed(self) -> int:
        """No honest compressed file has more bytes: gzip adds 5 to a block of 65,535 it cannot shrink."""
        return self.packed_size or self.size + self.size // 1000 + 1024


# Every mirror was seen in public code or documents (November 2026): ossci-datasets is torchvision's own,
# cvdf-datasets and the compressed sizes and digests are in tensorflow-datasets' url_checksums/mnist.txt,
# systemds.apache.org and azureopendatastorage (Azure Open Datasets' documents) and the repository fgnt/mnist
# in many public loaders. MNIST's first home, yann.lecun.com, has refused visitors for years.
_MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://systemds.apache.org/assets/datasets/mnist/",
    "https://azureopendatastorage.blob.core.windows.net/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
# tf-keras-datasets is what keras.datasets.fashion_mnist reads; the bucket and the repository are the
# authors' own, the bucket over TLS (torchvision names its website endpoint, which speaks http only).
_FASHION_MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
# The authors' server, over TLS as several public loaders do; rois-codh/kmnist issue 29 (2026) found it
# unreachable, hence torchvision's raw folder as a public repository happens to keep it, at a fixed commit.
_KMNIST_MIRRORS = (
    "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    "https://raw.githubusercontent.com/namanlab/CVCNN_Paper/0f30b9c852904dc63a7902c1d2a2f5c61d0547e4/"
    "data/KMNIST/raw/",
)
# The authors' repository: the first address is torchvision's, the second survives a renamed branch.
_QMNIST_MIRRORS = (
    "https://raw.githubusercontent.com/facebookresearch/qmnist/master/",
    "https://github.com/facebookresearch/qmnist/raw/refs/heads/main/",
)
_SIZES = {  # bytes of the content: a header of 16 or 8, then 784 or 1 for each of 60,000 or 10,000
    "train-images-idx3-ubyte": 47_040_016,
    "train-labels-idx1-ubyte": 60_008,
    "t10k-images-idx3-ubyte": 7_840_016,
    "t10k-labels-idx1-ubyte": 10_008,
}


def _each(mirrors: Sequence[str], name: str) -> tuple[str, ...]:
    return tuple(f"{mirror}{name}.gz" for mirror in mirrors)


def _four(mirrors: Sequence[str], *sha256: str) -> tuple[RemoteFile, ...]:
    """The four files of a set whose digests of the content are known, in the order of _SIZES."""
    rows = zip(_SIZES.items(), sha256, strict=True)
    return tuple(RemoteFile(name, size, _each(mirrors, name), digest) for (name, size), digest in rows)


def _four_packed(mirrors: Sequence[str], *known: tuple[int, str]) -> tuple[RemoteFile, ...]:
    """The four files of a set of which only the compressed sizes and digests are known."""
    rows = zip(_SIZES.items(), known, strict=True)
    return tuple(
        RemoteFile(name, size, _each(mirrors, name), packed_sha256=digest, packed_size=packed_size)
        for (name, size), (packed_size, digest) in rows
    )


CATALOGUE: dict[str, tuple[RemoteFile, ...]] = {
    "mnist": _four(
        _MNIST_MIRRORS,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    # computed from Debian's package dataset-fashion-mnist, which compresses anew but keeps the content
    "fashion-mnist": _four(
        _FASHION_MIRRORS,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    # of the compressed files, from tensorflow-datasets' url_checksums/kmnist.txt (the same four stand in
    # torchvision-ruby and other public loaders); nobody seems to have published those of the content
    "kmnist": _four_packed(
        _KMNIST_MIRRORS,
        (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
        (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
        (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
        (5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
    ),
}
"""Data set -> training images, training labels, test images, test labels.

The sets share these names, so each needs a folder of its own.
"""
CATALOGUE_QMNIST: tuple[RemoteFile, ...] = tuple(
    RemoteFile(name, 1_920_012, _each(_QMNIST_MIRRORS, name), digest)  # a header of 12, 60,000 x 8 x 4 bytes
    for name, digest in {
        "qmnist-train-labels-idx2-int": "bb1b6e1ec7b04fd5696f1ed50b5f58f8ef195118edd5c93c81783df9740b8ac5",
        "qmnist-test-labels-idx2-int": "92d0ccb8c25f9c6534270fb4be7e1d24a1c6d315edfc8a638bfbd31c70f362dd",
    }.items()
)
"""The extended labels of MNIST's training images and of QMNIST's 60,000 test images.

Computed from files whose compressed MD5s are those in torchvision.
"""
CLASS_NAMES: dict[Dataset, tuple[str, ...]] = {
    "mnist": DIGITS,
    # Xiao, Rasul and Vollgraf 2017, table 2
    "fashion-mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    # Clanuwat et al. 2018: the first hiragana of each row, here in Hepburn romanisation
    "kmnist": ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
}
TORCHVISION_FOLDER: dict[Dataset, str] = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "kmnist": "KMNIST",
}
