"""Files whose bytes make their readers raise anything: each ends in a sentence."""

import struct
import warnings
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.lib import format as npy_format
from PIL import Image
from torch import nn

from videxplain.data.files import find_videos, read_video
from videxplain.errors import DataError, OutputError, VidexplainError, WeightsError
from videxplain.models.weights import fill, read_weights
from videxplain.sinks import arrays, places
from videxplain.sinks.disk import DiskSink, load_attribution
from videxplain.sinks.files import write_json
from videxplain.sinks.pixels import keep_pixels, load_pixels
from videxplain.types import Clips, Record

Arrays = Mapping[str, Any]
WHOLE: Arrays = {
    "values": np.full((2, 1, 3, 4, 5), 0.5, np.float16),
    "areas": np.array([0.1, 0.3]),
    "target": np.array(3),
    "label": np.array("up"),
    "signed": np.array(False),
    "curve_energy": np.ones((2, 7), np.float32),
}
PICTURES = np.arange(2 * 8 * 9 * 3, dtype=np.uint8).reshape(2, 8, 9, 3)


def npy(shape: str, descr: str = "'<f4'", data: bytes = b"", more: str = "") -> bytes:
    told = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}{more}}}"
    return headed(told) + data


def headed(header: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


ENTRIES = {
    "a shape of petabytes": npy(f"({10**17},)"),
    "a shape beyond 64 bits": npy(f"({10**30},)"),
    "a shape of many digits": npy(f"({'9' * 4000},)"),
    "much of nothing": npy(f"({10**17},)", "'<U0'"),
    "more than there is": npy("(3,)", data=bytes(8)),
    "less than there is": npy("(1,)", data=bytes(8)),
    "a side below zero": npy("(-1, -2)", data=bytes(8)),
    "keys of two kinds": npy("(1,)", more=", 3: 4"),
    "a key that is none": npy("(1,)", more=", []: 4"),
    "no type": npy("(1,)", "()"),
    "objects": npy("(1,)", "'|O'", bytes(8)),
    "deep nesting": headed("-" * 5000 + "1"),
    "deep brackets": headed("[" * 5000),
    "no array": b"text",
    "nothing": b"",
    "a version to come": b"\x93NUMPY\x09\x00\x00\x00",
}


def zipped(path: Path, values: bytes, packed: int = zipfile.ZIP_DEFLATED) -> Path:
    """An attribution of which one entry is these bytes."""
    np.savez(path, **WHOLE)
    with zipfile.ZipFile(path) as archive:
        entries = {each.filename: archive.read(each) for each in archive.infolist()}
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in {**entries, "values.npy": values}.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_that_is_no_array(name: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.npz", ENTRIES[name])
    with pytest.raises(
        OutputError, match=r"a\.npz cannot be read \(.+\): compute it again"
    ) as told:
        load_attribution(path)
    assert len(str(told.value)) < 600, "a sentence, not the header"
    assert "\n" not in str(told.value)
    assert not arrays.holds(path, WHOLE)
    assert path.exists()


def plain(path: Path) -> None:
    np.save(path.with_suffix(".npy"), WHOLE["values"])
    path.with_suffix(".npy").rename(path)


def encrypted(path: Path) -> None:
    overwrite(path, lambda entry: struct.pack_into("<H", entry, 8, 1))


def of_lzma(path: Path) -> None:
    """With bytes that are not."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("values.npy", bytes(range(256)))
    data = bytearray(path.read_bytes())
    data[49:80] = b"\xff" * 31
    path.write_bytes(data)


def long(path: Path) -> None:
    overwrite(path, lambda entry: struct.pack_into("<II", entry, 20, 2**31, 2**31))


def changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[200:300] = bytes(100)
    path.write_bytes(data)


def in_parts(path: Path) -> None:
    """Its end says that other disks have the rest."""
    data = path.read_bytes()
    at = data.index(b"PK\x05\x06")
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 1, at, 3)
    path.write_bytes(data[:at] + locator + data[at:])


def overwrite(path: Path, change: Callable[[bytearray], None]) -> None:
    """The first entry of the table of contents."""
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    entry = data[at : at + 46]
    change(entry)
    data[at : at + 46] = entry
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


FILES = (plain, encrypted, of_lzma, long, changed, in_parts, empty)


@pytest.mark.parametrize("damage", FILES)
def test_an_archive_that_is_none(damage: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    arrays.write_arrays(path, WHOLE)
    assert arrays.holds(path, WHOLE)
    damage(path)
    with pytest.raises(OutputError, match=r"a\.npz cannot be read \(.+\): compute it again"):
        load_attribution(path)
    assert not arrays.holds(path, WHOLE)


def test_an_archive_in_parts_is_made_anew(tmp_path: Path) -> None:
    path = places.archive(tmp_path, "a")
    arrays.write_arrays(path, WHOLE)
    in_parts(path)
    row = asdict(Record("a", None, None, "b", "c", 0.5, {}))
    write_json(places.record(tmp_path, "a"), {"clip": "a", "pixels": None, "records": [row]})
    assert DiskSink(tmp_path, tmp_path).records("a") is None
    assert path.with_name(f"{path.name}.corrupt").exists()


def test_too_little_memory_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npz"
    arrays.write_arrays(path, WHOLE)

    def lack(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(npy_format, "read_array", lack)
    for read in (load_attribution, load_pixels):
        with pytest.raises(OutputError, match=r"a\.npz takes more memory than there is: free some"):
            read(path)
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_header_claims_takes_no_memory(tmp_path: Path) -> None:
    """8 GB are said twice, by the array and by the table of contents."""
    path = zipped(tmp_path / "a.npz", npy(f"({2**31 - 64},)"), zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    at = data.index(b"values.npy", data.index(b"PK\x01\x02")) - 46
    struct.pack_into("<II", data, at + 20, 2**32 - 2, 2**32 - 2)
    path.write_bytes(data)
    with pytest.raises(OutputError, match="it is not packed as it was written"):
        load_attribution(path)


OTHERS: dict[str, Arrays] = {
    "words for values": {"values": np.array([["a"]])},
    "one value": {"values": np.array(0.5)},
    "a table": {"values": np.zeros((2, 3))},
    "whole numbers": {"values": np.zeros((2, 1, 3, 4, 5), int)},
    "complex values": {"values": np.zeros((2, 1, 3, 4, 5), complex)},
    "two channels": {"values": np.zeros((2, 2, 3, 4, 5))},
    "no frames": {"values": np.zeros((2, 1, 0, 4, 5))},
    "two targets": {"target": np.array([1, 2])},
    "half a target": {"target": np.array(0.5)},
    "a target below zero": {"target": np.array(-1)},
    "a target without sign": {"target": np.array(2**64 - 1, np.uint64)},
    "one area": {"areas": np.array(0.1)},
    "too few areas": {"areas": np.array([0.1])},
    "no areas": {"areas": np.array([])},
    "words for areas": {"areas": np.array(["a", "b"])},
    "two signs": {"signed": np.array([True, False])},
    "a sign that is a word": {"signed": np.array("no")},
    "a point for a curve": {"curve_x": np.array(1.0)},
    "a word for a curve": {"curve_x": np.array([["a"], ["b"]])},
    "too few curves": {"curve_x": np.ones((1, 7))},
}


@pytest.mark.parametrize("name", OTHERS)
def test_arrays_that_are_no_attribution(name: str, tmp_path: Path) -> None:
    arrays.write_arrays(tmp_path / "a.npz", {**WHOLE, **OTHERS[name]})
    told = r"a\.npz cannot be read \(it holds no attribution of a clip\).* or remove it"
    with pytest.raises(OutputError, match=told):
        load_attribution(tmp_path / "a.npz")


@pytest.mark.parametrize("kind", ["<f2", "<f8", ">f4", ">f8"])
def test_an_attribution_of_another_machine(kind: str, tmp_path: Path) -> None:
    moved = {name: WHOLE[name].astype(kind) for name in ("values", "curve_energy", "areas")} | {
        "target": WHOLE["target"].astype(">i8")
    }
    arrays.write_arrays(tmp_path / "a.npz", {**WHOLE, **moved})
    found = load_attribution(tmp_path / "a.npz")
    assert torch.equal(found.values, torch.full((2, 1, 1, 3, 4, 5), 0.5))
    assert torch.equal(found.curves["energy"], torch.ones(2, 1, 7))
    assert (found.target.tolist(), found.signed) == ([3], False)
    assert found.areas == pytest.approx((0.1, 0.3), rel=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        PICTURES[0],
        PICTURES.astype(np.int16),
        PICTURES[..., :2],
        PICTURES[:0],
        np.array("a"),
        np.array(0, np.uint8),
    ],
    ids=["a picture", "int16", "two colours", "none", "a word", "a number"],
)
def test_arrays_that_are_no_pictures(wrong: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    arrays.write_arrays(path, {"pixels": wrong})
    with pytest.raises(OutputError, match=r"a\.npz cannot be read \(it holds no pictures"):
        load_pixels(path)


def test_pictures_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    arrays.write_arrays(path, {"pixels": PICTURES})
    assert np.array_equal(load_pixels(path), PICTURES)
    arrays.write_arrays(path, {"other": PICTURES})
    with pytest.raises(OutputError, match=r"it lacks 'pixels'"):
        load_pixels(path)


@pytest.mark.parametrize("damage", [*FILES, "other"])
def test_pictures_are_kept_again(damage: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """Whatever lies where they belong, even an archive of something else."""
    clips = Clips(torch.zeros(1, 3, 2, 8, 9), pixels=PICTURES[None])
    name = keep_pixels(tmp_path, clips, 0)
    assert name is not None
    path = places.pixels(tmp_path, name)
    whole = path.read_bytes()
    if damage == "other":
        arrays.write_arrays(path, {"pixels": PICTURES.astype(np.float32)})
    else:
        damage(path)
    assert path.read_bytes() != whole
    assert keep_pixels(tmp_path, clips, 0) == name
    assert path.read_bytes() == whole


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(early: bytes = b"", late: bytes = b"", colour: int = 2) -> bytes:
    """8 x 8 pixels, with chunks before the pixels and after them."""
    row = bytes(1 + 8 * (3 if colour == 2 else 1))
    table = chunk(b"PLTE", bytes(3)) if colour == 3 else b""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, colour, 0, 0, 0)) + table
    pixels = chunk(b"IDAT", zlib.compress(row * 8))
    return b"\x89PNG\r\n\x1a\n" + head + early + pixels + late + chunk(b"IEND", b"")


PICTURE_FILES = {
    "an empty profile": png(late=chunk(b"iCCP", b"")),
    "transparency": png(chunk(b"tEXt", b"transparency\0x"), colour=0),
    "transparency of a table": png(chunk(b"tEXt", b"transparency\0x"), colour=3),
    "a box": png(chunk(b"tEXt", b"bbox\0text")),
}


@pytest.mark.filterwarnings("ignore")  # as for a user, whom Pillow may tell more
@pytest.mark.parametrize("name", PICTURE_FILES)
def test_a_picture_that_is_none(name: str, tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "1.png").write_bytes(PICTURE_FILES[name])
    told = r"1\.png (is not a readable picture|cannot be decoded) \(.*\): replace or remove it"
    with pytest.raises(DataError, match=told):
        read_video(tmp_path / "clip").read([0])


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "EPS"])
def test_no_other_reader_is_tried(kind: str, tmp_path: Path) -> None:
    """Some start programs, as PostScript's does."""
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png", format=kind)
    with pytest.raises(DataError, match=r"1\.png is not a readable picture \(neither JPEG nor PNG"):
        read_video(tmp_path)


def test_a_picture_of_each_kind_is_read(tmp_path: Path) -> None:
    for number, colour in enumerate((0, 2, 3)):
        (tmp_path / f"{number}.png").write_bytes(png(colour=colour))
    Image.new("RGB", (8, 8)).save(tmp_path / "3.png", format="JPEG")
    Image.new("RGB", (8, 8)).save(tmp_path / "4.jpg", format="MPO", save_all=True)
    Image.new("CMYK", (8, 8)).save(tmp_path / "5.jpeg")
    assert read_video(tmp_path).read(range(5)).shape == (5, 8, 8, 3)


def clip_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number in range(2):
        Image.new("RGB", (16, 16)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("frame,x0,y0,x1,y1,clip\n0,0,0,4,4\n", "line 2: name the clip"),
        ("clip,frame,x0,y0,x1,y1\n,0,0,0,4,4\n", "line 2: name the clip"),
    ],
)
def test_boxes_of_no_clip(text: str, told: str, tmp_path: Path) -> None:
    clip_folder(tmp_path / "videos" / "a")
    (tmp_path / "boxes.csv").write_text(text)
    with pytest.raises(DataError, match=told):
        find_videos(str(tmp_path / "videos"), boxes=str(tmp_path / "boxes.csv"))


def test_boxes_in_a_file_that_cannot_be(tmp_path: Path) -> None:
    clip_folder(tmp_path / "videos" / "a")
    with pytest.raises(VidexplainError, match="null byte"):
        find_videos(str(tmp_path / "videos"), boxes="a\0b")


@pytest.mark.parametrize("root", [".", "../up-1", "inside/.."])
def test_a_clip_is_called_by_its_folder(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clip_folder(tmp_path / "up-1")
    (folder / ".inside").mkdir()  # what is hidden is no clip
    (tmp_path / "boxes.csv").write_text("clip,frame,x0,y0,x1,y1\nup-1,0,0,0,4,4\n")
    monkeypatch.chdir(folder)
    root = root.replace("inside", ".inside")
    (video,) = find_videos(root, boxes=str(tmp_path / "boxes.csv"))
    assert (video.name, video.label) == ("up-1", "up")
    assert video.read_truth is not None
    assert video.read_truth([0, 1]).sum() == 16
    assert (read_video(root).name, read_video(root).label) == ("up-1", "up")


class Called:
    """What a pickle makes of a function, its arguments and a state."""

    def __init__(self, *made: object) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return self.made


def nested() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is a prototype
        return torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])


def hiding(**attributes: object) -> Called:
    return Called(OrderedDict, (), attributes)


WEIGHTS: dict[str, tuple[Callable[[], object], str]] = {
    "a nested tensor": (
        lambda: {"weight": nested(), "bias": torch.zeros(2)},
        "weight are no plain real numbers",
    ),
    "exabytes": (lambda: Called(bytearray, (2**60,)), "takes more memory than there is"),
    "no get": (lambda: hiding(get=3), "holds no plain state_dict"),
    "no items": (lambda: hiding(items=3, keys=3), "holds no plain state_dict"),
    "no items below": (lambda: {"state_dict": hiding(items=3)}, "holds no plain state_dict"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_none(name: str, tmp_path: Path) -> None:
    content, told = WEIGHTS[name]
    path = tmp_path / "net.pth"
    torch.save(content(), path)
    with pytest.raises(WeightsError, match=rf"net\.pth.*{told}"):
        fill(nn.Linear(3, 2), read_weights(path))


def test_attributes_of_a_state_dict_hide_nothing(tmp_path: Path) -> None:
    given, taken = nn.Linear(3, 2), nn.Linear(3, 2)
    entries = iter(given.state_dict().items())
    torch.save(Called(OrderedDict, (), {"items": 3, "get": 3}, None, entries), tmp_path / "net.pth")
    fill(taken, read_weights(tmp_path / "net.pth"))
    assert torch.equal(taken.weight, given.weight)
