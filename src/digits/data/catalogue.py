"""List the published data sets.

Each entry contains the files with their sizes, SHA-256 digests and mirrors, and the class names.
A mirror is a web server with a copy of the files.

To add a data set, add one entry to `DATASETS` and its name to `Dataset` in digits/options.py.
"""

import re
from dataclasses import dataclass

from digits.mnist import DIGITS
from digits.options import Dataset


@dataclass(frozen=True)
class RemoteFile:
    """A file with known content, offered by mirrors as a gzip file.

    There are two kinds:
        - Usually `sha256` belongs to the decompressed content. The cache stores this content.
        - If `compressed_size` is given, `sha256` belongs to the gzip file. The cache stores the gzip file.

    Raises:
        ValueError: if `sha256` is not 64 lower-case hexadecimal digits.
    """

    name: str  # name of the decompressed file, without .gz
    size: int  # bytes of the decompressed content
    sha256: str  # digest of the file in the cache, 64 lower-case hexadecimal digits
    urls: tuple[str, ...] = ()  # addresses of the compressed file, in the order in which they are tried
    compressed_size: int | None = None  # bytes of the compressed file, if `sha256` is the digest of that file

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(
                f"the SHA-256 of {self.name} is {self.sha256!r}; expected 64 lower-case hexadecimal digits"
            )

    @property
    def content_sha256(self) -> str | None:
        """SHA-256 of the decompressed content, or None if unknown."""
        return self.sha256 if self.compressed_size is None else None

    @property
    def cached_name(self) -> str:
        """Name of the file in the cache, with .gz for a compressed file."""
        return self.name if self.compressed_size is None else f"{self.name}.gz"

    @property
    def cached_size(self) -> int:
        """Size of the file in the cache, in bytes."""
        return self.size if self.compressed_size is None else self.compressed_size

    @property
    def largest_download(self) -> int:
        """Largest possible size of the compressed file, in bytes."""
        # gzip adds 5 bytes to a block of 65,535 bytes that it cannot shrink. This limit is higher.
        return self.compressed_size or self.size + self.size // 1000 + 1024


@dataclass(frozen=True)
class PublishedDataset:
    """A published data set: four files and the names of its classes."""

    files: tuple[RemoteFile, ...]  # training images, training labels, test images, test labels
    classes: tuple[str, ...]  # the names of classes 0 to 9, in this order
    torchvision_folder: str  # folder in which torchvision.datasets stores this data set, below its root

    @property
    def training_images(self) -> int:
        """Number of training images."""
        return self.files[1].size - 8  # a header of 8 bytes, then one byte for each label


# Decompressed sizes in bytes. Files of images: a header of 16, then 784 for each image. Files of labels: a
# header of 8, then 1 for each image. There are 60,000 training and 10,000 test images.
_SIZES = {
    "train-images-idx3-ubyte": 47_040_016,
    "train-labels-idx1-ubyte": 60_008,
    "t10k-images-idx3-ubyte": 7_840_016,
    "t10k-labels-idx1-ubyte": 10_008,
}


def _urls(mirrors: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return the address of one compressed file on each mirror."""
    return tuple(f"{mirror}{name}.gz" for mirror in mirrors)


def _four_files(
    mirrors: tuple[str, ...], digests: tuple[str, ...], compressed_sizes: tuple[int | None, ...] = (None,) * 4
) -> tuple[RemoteFile, ...]:
    """Return the entries for the four files of a data set.

    Args:
        mirrors: Addresses of folders with the files, each with a slash at its end.
        digests: SHA-256 of each file, in the order of `_SIZES`.
        compressed_sizes: Bytes of each gzip file, if `digests` are those of gzip files.
    """
    rows = zip(_SIZES.items(), digests, compressed_sizes, strict=True)
    return tuple(
        RemoteFile(name, size, digest, _urls(mirrors, name), compressed_size)
        for (name, size), digest, compressed_size in rows
    )


DATASETS: dict[Dataset, PublishedDataset] = {
    "mnist": PublishedDataset(
        _four_files(
            # torchvision uses ossci-datasets. tensorflow-datasets uses cvdf-datasets and lists the sizes and
            # digests in its file url_checksums/mnist.txt. Many public programs use the other mirrors. The
            # original server, yann.lecun.com, has not allowed downloads for years.
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
    # The digests were computed from Debian's package dataset-fashion-mnist, which has the same content.
    "fashion-mnist": PublishedDataset(
        _four_files(
            # keras.datasets.fashion_mnist uses the first mirror. The second and the third belong to the
            # authors. torchvision uses another address of the second one, which has no https.
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
    # Digests and sizes are those of the compressed files, from url_checksums/kmnist.txt in
    # tensorflow-datasets. torchvision-ruby and other public programs have the same four. No digests of the
    # decompressed content were published.
    "kmnist": PublishedDataset(
        _four_files(
            # The first mirror is the authors' server. It was not reachable in 2026 (rois-codh/kmnist, issue
            # 29). The second one is a public repository with these files, at a fixed commit.
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
        # The ten hiragana of Clanuwat et al. 2018, in Latin letters (Hepburn romanisation)
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        torchvision_folder="KMNIST",
    ),
}
"""Name -> data set. The mirrors were found in public code and documents in November 2026.

The files of all data sets have the same names, so each data set needs a separate folder.
"""

# Two addresses of the authors' repository: torchvision uses the first one. The second one also works if the
# branch "master" is renamed to "main".
_QMNIST_MIRRORS = (
    "https://raw.githubusercontent.com/facebookresearch/qmnist/master/",
    "https://github.com/facebookresearch/qmnist/raw/refs/heads/main/",
)
QMNIST_TABLES: tuple[RemoteFile, ...] = tuple(
    # Size in bytes: a header of 12, then 60,000 rows of 8 numbers of 4 bytes.
    RemoteFile(name, 1_920_012, digest, _urls(_QMNIST_MIRRORS, name))
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
"""Two tables from QMNIST with the writer of each image, among other columns.

The first one describes MNIST's 60,000 training images, the second one QMNIST's 60,000 test images. The
digests were computed from files that have the MD5 sums listed in torchvision.
"""
