"""The published data sets: their files, sizes, SHA-256 digests, mirrors and class names.

To add a data set, add one entry to `DATASETS` and its name to `Dataset` in digits/options.py.
"""

import re
from dataclasses import dataclass

from digits.mnist import DIGITS
from digits.options import Dataset


@dataclass(frozen=True)
class RemoteFile:
    """A file of known content that mirrors offer compressed with gzip.

    Usually `sha256` is the digest of the decompressed content: mirrors may compress as they like, and the
    cache keeps the content. Where only the compressed file's digest was ever published, `compressed_size`
    is given, `sha256` is the digest of the compressed file, and the cache keeps that file, so that it can
    be verified again whenever it is used. Raises ValueError for a malformed digest.
    """

    name: str  # of the decompressed file, without .gz
    size: int  # bytes of the decompressed content
    sha256: str  # of the file in the cache, 64 lower-case hexadecimal digits
    urls: tuple[str, ...] = ()  # of the compressed file, in the order in which they are asked
    compressed_size: int | None = None  # bytes; only where `sha256` is that of the compressed file

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(
                f"the SHA-256 of {self.name} is {self.sha256!r}; expected 64 lower-case hexadecimal digits"
            )

    @property
    def content_sha256(self) -> str | None:
        """SHA-256 of the decompressed content, or None where nobody published it."""
        return self.sha256 if self.compressed_size is None else None

    @property
    def cached_name(self) -> str:
        """Name of the file in the cache."""
        return self.name if self.compressed_size is None else f"{self.name}.gz"

    @property
    def cached_size(self) -> int:
        """Bytes of the file in the cache."""
        return self.size if self.compressed_size is None else self.compressed_size

    @property
    def largest_download(self) -> int:
        """Bytes that a compressed file of this content cannot exceed.

        Gzip adds 5 bytes to each block of 65,535 that it cannot shrink; one in 1,000 is a generous limit.
        """
        return self.compressed_size or self.size + self.size // 1000 + 1024


@dataclass(frozen=True)
class PublishedDataset:
    """Everything the package knows about one published data set."""

    files: tuple[RemoteFile, ...]  # training images, training labels, test images, test labels
    classes: tuple[str, ...]  # the names of classes 0 to 9
    torchvision_folder: str  # below the root that torchvision.datasets is given

    @property
    def training_images(self) -> int:
        """Number of training images: the training labels are one byte each, after a header of 8 bytes."""
        return self.files[1].size - 8


_SIZES = {  # bytes: a header of 16 or 8, then 784 or 1 for each of 60,000 or 10,000 images
    "train-images-idx3-ubyte": 47_040_016,
    "train-labels-idx1-ubyte": 60_008,
    "t10k-images-idx3-ubyte": 7_840_016,
    "t10k-labels-idx1-ubyte": 10_008,
}


def _urls(mirrors: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(f"{mirror}{name}.gz" for mirror in mirrors)


def _four_files(
    mirrors: tuple[str, ...], digests: tuple[str, ...], compressed_sizes: tuple[int | None, ...] = (None,) * 4
) -> tuple[RemoteFile, ...]:
    """Return a data set's four files; digests and compressed sizes are in the order of `_SIZES`."""
    rows = zip(_SIZES.items(), digests, compressed_sizes, strict=True)
    return tuple(
        RemoteFile(name, size, digest, _urls(mirrors, name), compressed_size)
        for (name, size), digest, compressed_size in rows
    )


DATASETS: dict[Dataset, PublishedDataset] = {
    "mnist": PublishedDataset(
        _four_files(
            # ossci-datasets is torchvision's own mirror; cvdf-datasets is tensorflow-datasets' (the sizes and
            # digests are in its url_checksums/mnist.txt); the others are in many public loaders.
            # MNIST's first home, yann.lecun.com, has refused visitors for years.
            mirrors=(
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
                "https://systemds.apache.org/assets/datasets/mnist/",
                "https://azureopendatastorage.blob.core.windows.net/mnist/",
                "https://raw.githubusercontent.com/fgnt/mnist/master/",
            ),
            digests=(
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        classes=DIGITS,
        torchvision_folder="MNIST",
    ),
    # Digests computed from Debian's package dataset-fashion-mnist, which compresses the same content anew.
    "fashion-mnist": PublishedDataset(
        _four_files(
            # tf-keras-datasets is what keras.datasets.fashion_mnist reads; the bucket and the repository
            # belong to the authors (torchvision names the bucket's website, which only speaks http).
            mirrors=(
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
                "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            ),
            digests=(
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
        classes=(  # Xiao, Rasul and Vollgraf 2017, table 2
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        torchvision_folder="FashionMNIST",
    ),
    # Digests and sizes of the compressed files, from tensorflow-datasets' url_checksums/kmnist.txt (the
    # same four are in torchvision-ruby and other public loaders). None were published of the content.
    "kmnist": PublishedDataset(
        _four_files(
            # The authors' server. rois-codh/kmnist issue 29 (2026) found it unreachable, so the second is
            # torchvision's raw folder in a public repository, at a fixed commit.
            mirrors=(
                "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
                "https://raw.githubusercontent.com/namanlab/CVCNN_Paper/0f30b9c852904dc63a7902c1d2a2f5c61d0547e4/"
                "data/KMNIST/raw/",
            ),
            digests=(
                "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
                "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
                "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
                "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            ),
            compressed_sizes=(18_165_135, 29_497, 3_041_136, 5_120),
        ),
        # Clanuwat et al. 2018: the first hiragana of each row, here in Hepburn romanisation
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        torchvision_folder="KMNIST",
    ),
}
"""The data sets by name; every mirror was seen in public code or documents in November 2026.

The files of all sets have the same names, so each set needs a folder of its own.
"""

# The authors' repository: the first address is torchvision's, the second survives a renamed branch.
_QMNIST_MIRRORS = (
    "https://raw.githubusercontent.com/facebookresearch/qmnist/master/",
    "https://github.com/facebookresearch/qmnist/raw/refs/heads/main/",
)
QMNIST_TABLES: tuple[RemoteFile, ...] = tuple(
    RemoteFile(name, 1_920_012, digest, _urls(_QMNIST_MIRRORS, name))  # a header of 12, 60,000 x 8 x 4 bytes
    for name, digest in (
        (
            "qmnist-train-labels-idx2-int",
            "bb1b6e1ec7b04fd5696f1ed50b5f58f8ef195118edd5c93c81783df9740b8ac5",
        ),
        (
            "qmnist-test-labels-idx2-int",
            "92d0ccb8c25f9c6534270fb4be7e1d24a1c6d315edfc8a638bfbd31c70f362dd",
        ),
    )
)
"""QMNIST's tables about MNIST's training images and about QMNIST's 60,000 test images.

The digests were computed from files whose compressed MD5 sums are those in torchvision.
"""
