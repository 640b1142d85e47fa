"""The data files: the official ones are read right, damaged ones are refused by name and cause."""

import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loops import data
from loops.data import DataError, FashionMnist

LABELS = data.FILES["test_labels"]
IMAGES = data.FILES["test_images"]


def test_embedded_files_hold_balanced_classes_and_the_known_first_label(fashion: FashionMnist) -> None:
    assert fashion.train.images.shape == (60_000, 28, 28, 1)
    assert fashion.test.images.shape == (10_000, 28, 28, 1)
    assert fashion.train.images.dtype == fashion.train.labels.dtype == np.uint8
    assert np.bincount(fashion.train.labels).tolist() == [6_000] * 10
    assert np.bincount(fashion.test.labels).tolist() == [1_000] * 10
    assert data.CLASS_NAMES[fashion.train.labels[0]] == "Ankle boot"


def test_repacked_gzip_with_the_official_contents_is_accepted(tmp_path: Path) -> None:
    raw = gzip.decompress((data.EMBEDDED / LABELS.name).read_bytes())
    (tmp_path / LABELS.name).write_bytes(gzip.compress(raw, compresslevel=1))
    assert len(data.read_idx(tmp_path / LABELS.name, LABELS)) == 10_000


def test_folder_is_the_option_then_the_variable_then_the_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(data.FOLDER_VARIABLE, "/from/variable")
    assert data.find_folder("/from/option") == Path("/from/option")
    assert data.find_folder(None) == Path("/from/variable")
    monkeypatch.delenv(data.FOLDER_VARIABLE)
    assert data.find_folder(None) == data.EMBEDDED


def flip_bit(compressed: bytes) -> bytes:
    middle = len(compressed) // 2
    return compressed[:middle] + bytes([compressed[middle] ^ 1]) + compressed[middle + 1 :]


def edit_raw(edit: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda compressed: gzip.compress(edit(gzip.decompress(compressed)), compresslevel=1)


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda b: b[:-100], "not an intact gzip file"),
    "zero-byte": (lambda b: b"", "the file is empty"),
    "html": (lambda b: b"<!DOCTYPE html><title>404</title>", "not an intact gzip file"),
    "bit-flipped": (flip_bit, "not an intact gzip file"),
    "trailing garbage": (lambda b: b + b"garbage", "not an intact gzip file"),
    "other contents": (edit_raw(lambda r: r[:-1] + bytes([(r[-1] + 1) % 10])), "not the official ones"),
    "label out of range": (edit_raw(lambda r: r[:8] + b"\x0a" + r[9:]), "label 10 at position 0"),
    "wrong magic": (edit_raw(lambda r: b"\0\0\x0d\x01" + r[4:]), "IDX magic is 00000d01"),
    "wrong rank": (edit_raw(lambda r: b"\0\0\x08\x03" + r[4:]), "IDX magic is 00000803"),
    "other count": (edit_raw(lambda r: r[:4] + struct.pack(">I", 9_999) + r[8:-1]), "shape is (9999,)"),
    "short of data": (edit_raw(lambda r: r[:-1]), "9999 bytes of data, expected 10000"),
    "header only": (edit_raw(lambda r: r[:6]), "shape is ()"),
    "nothing inside": (edit_raw(lambda r: b""), "IDX magic is missing"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_file_is_refused_with_file_cause_and_both_hashes(name: str, tmp_path: Path) -> None:
    damage, cause = DAMAGE[name]
    path = tmp_path / LABELS.name
    path.write_bytes(damage((data.EMBEDDED / LABELS.name).read_bytes()))
    with pytest.raises(DataError) as refusal:
        data.read_idx(path, LABELS)
    message = str(refusal.value)
    assert message.startswith(str(path))
    assert cause in message
    assert LABELS.sha256 in message or LABELS.gz_sha256 in message
    assert message.count("SHA-256") == 2


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    path = tmp_path / IMAGES.name
    path.write_bytes(gzip.compress(struct.pack(">4I", 0x803, 10_000, 32, 32) + bytes(10), compresslevel=1))
    with pytest.raises(DataError, match=r"shape is \(10000, 32, 32\), expected \(10000, 28, 28\)"):
        data.read_idx(path, IMAGES)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: no such file"):
        data.load(tmp_path)


def test_constants_are_the_hashes_of_the_embedded_files() -> None:
    for spec in data.FILES.values():
        raw = gzip.decompress((data.EMBEDDED / spec.name).read_bytes())
        assert hashlib.sha256(raw).hexdigest() == spec.sha256
        assert hashlib.sha256((data.EMBEDDED / spec.name).read_bytes()).hexdigest() == spec.gz_sha256
