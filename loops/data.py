"""Fashion-MNIST, verified on every load."""

import gzip
import hashlib
import os
import struct
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from loops.errors import UserError

Bytes = npt.NDArray[np.uint8]

EMBEDDED = Path(__file__).parent / "fashion_mnist"
FOLDER_VARIABLE = "FASHION_MNIST_DIR"
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# A product, not `/ 255.0`: inside a larger graph TensorFlow's optimiser turns the division into
# a product with 1/255, which rounds otherwise, and the loops would no longer agree to the bit.
PIXEL_SCALE = np.float32(1 / 255)

IDX_UNSIGNED_BYTE = 0x08  # the IDX format's code for the type of an element


class IdxFile(NamedTuple):
    """What one of the four official files must hold once decompressed."""

    name: str
    shape: tuple[int, ...]
    sha256: str
    gz_sha256: str  # of the official .gz, for the message about a damaged one


# Hashes of the decompressed files of zalandoresearch/fashion-mnist; repacked .gz files pass too.
FILES: Mapping[str, IdxFile] = {
    "train_images": IdxFile(
        "train-images-idx3-ubyte.gz",
        (60_000, 28, 28),
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    "train_labels": IdxFile(
        "train-labels-idx1-ubyte.gz",
        (60_000,),
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    "test_images": IdxFile(
        "t10k-images-idx3-ubyte.gz",
        (10_000, 28, 28),
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    "test_labels": IdxFile(
        "t10k-labels-idx1-ubyte.gz",
        (10_000,),
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}


class DataError(UserError):
    """A data file that is missing, damaged or not the official one."""


@dataclass(frozen=True)
class Split:
    """Images, uint8 of shape (n, 28, 28, 1), with labels, uint8 of shape (n,) in 0 … 9."""

    images: Bytes
    labels: Bytes

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> "Split":
        """The first `count` images and labels."""
        return Split(self.images[:count], self.labels[:count])


@dataclass(frozen=True)
class FashionMnist:
    """The 60,000 training and the 10,000 test images."""

    train: Split
    test: Split

    def sha256(self) -> str:
        """One hash of all images and labels."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            digest.update(split.images.tobytes())
            digest.update(split.labels.tobytes())
        return digest.hexdigest()


def find_folder(option: str | None) -> Path:
    """The folder of the four files: `--data`, else FASHION_MNIST_DIR, else the embedded copy."""
    if option is not None:
        return Path(option)
    return Path(os.environ.get(FOLDER_VARIABLE) or EMBEDDED)


def load(folder: Path = EMBEDDED) -> FashionMnist:
    """Read and verify all four files in `folder`.

    Raises:
        DataError: a file is missing or unreadable, is no intact gzip, is no IDX file of the
            right type and shape, holds a label outside 0 … 9, or differs from the official one.
    """
    with ThreadPoolExecutor() as pool:  # decompressing and hashing let other threads run
        found = pool.map(lambda spec: read_idx(folder / spec.name, spec), FILES.values())
        arrays = dict(zip(FILES, found, strict=True))
    return FashionMnist(
        train=Split(arrays["train_images"][..., np.newaxis], arrays["train_labels"]),
        test=Split(arrays["test_images"][..., np.newaxis], arrays["test_labels"]),
    )


def read_idx(path: Path, spec: IdxFile) -> Bytes:
    """Decompress one file and check it against `spec`; structure first, for the better message."""
    raw = _decompress(path, spec)
    digest = hashlib.sha256(raw).hexdigest()
    array = _parse_idx(path, spec, raw, digest)
    if len(spec.shape) == 1 and array.max() >= len(CLASS_NAMES):
        where = int(np.argmax(array >= len(CLASS_NAMES)))
        raise _refusal(path, spec, f"label {array[where]} at position {where} is not in 0 … 9", digest)
    if digest != spec.sha256:
        raise _refusal(path, spec, "the contents are not the official ones", digest)
    return array


def _decompress(path: Path, spec: IdxFile) -> bytes:
    try:
        compressed = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{path}: no such file. The data folder must hold the four official Fashion-MNIST .gz "
            f"files; without --data and {FOLDER_VARIABLE} the embedded copy is used."
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from None
    if not compressed:
        raise _refusal(path, spec, "the file is empty", hashlib.sha256(b"").hexdigest(), spec.gz_sha256)
    try:
        return gzip.decompress(compressed)
    except (EOFError, zlib.error, gzip.BadGzipFile, struct.error) as error:
        digest = hashlib.sha256(compressed).hexdigest()
        raise _refusal(path, spec, f"not an intact gzip file ({error})", digest, spec.gz_sha256) from None


def _parse_idx(path: Path, spec: IdxFile, raw: bytes, digest: str) -> Bytes:
    rank = len(spec.shape)
    header = 4 + 4 * rank
    magic = bytes((0, 0, IDX_UNSIGNED_BYTE, rank))
    if raw[:4] != magic:
        reason = f"IDX magic is {raw[:4].hex() or 'missing'}, expected {magic.hex()} (uint8, rank {rank})"
        raise _refusal(path, spec, reason, digest)
    shape = struct.unpack(f">{rank}I", raw[4:header]) if len(raw) >= header else ()
    if shape != spec.shape:
        raise _refusal(path, spec, f"shape is {shape}, expected {spec.shape}", digest)
    if len(raw) - header != np.prod(spec.shape):
        raise _refusal(
            path, spec, f"{len(raw) - header} bytes of data, expected {np.prod(spec.shape)}", digest
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def _refusal(path: Path, spec: IdxFile, reason: str, actual: str, expected: str = "") -> DataError:
    return DataError(
        f"{path}: {reason}.\n  expected SHA-256 {expected or spec.sha256}\n  actual   SHA-256 {actual}\n"
        f"Replace it by the official {spec.name}, or leave out --data and {FOLDER_VARIABLE} "
        "to use the embedded copy."
    )
