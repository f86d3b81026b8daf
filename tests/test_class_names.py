"""Which name is which logit, and which label is which name."""

import csv
import json
from pathlib import Path

import pytest

import videxplain as vx
from tests.formulas import SmallNet
from tests.test_data import write_frames
from videxplain import targets
from videxplain.chunks import told_once
from videxplain.data.shapes import shapes
from videxplain.errors import ConfigError, DataError
from videxplain.models.class_names import class_names

KITCHEN = ("turn", "turn-on", "take", "pan:dust", "7", "pan")


def test_known_places() -> None:
    kinetics = class_names("kinetics")
    assert len(kinetics) == 400
    wanted = {"abseiling": 0, "ironing": 165, "playing bass guitar": 221, "playing guitar": 232}
    assert {name: kinetics.index(name) for name in wanted} == wanted
    assert class_names("epic-kitchens-verb")[:5] == ("take", "put", "open", "close", "wash")
    assert class_names("epic-kitchens-noun")[:3] == ("Nothing", "pan", "pan:dust")
    sizes = [len(set(class_names(f"epic-kitchens-{each}"))) for each in ("verb", "noun")]
    assert sizes == [125, 352]
    with pytest.raises(ConfigError, match="unknown class list 'epic'"):
        class_names("epic")


def test_lists_are_the_published_ones(shared: Path) -> None:
    data = shared / "data"
    assert list(class_names("kinetics")) == json.loads((data / "kinetics_classes.json").read_text())
    for kind in ("noun", "verb"):
        with (data / f"EPIC_{kind}_classes.csv").open() as file:
            rows = sorted(csv.DictReader(file), key=lambda row: int(row[f"{kind}_id"]))
        wanted = [row["class_key"] for row in rows]
        assert list(class_names(f"epic-kitchens-{kind}")) == wanted


@pytest.mark.parametrize(
    ("folder", "wanted"),
    [
        ("turn-on-P03_05", 1),
        ("turn-P03_05", 0),
        ("turn-on", 1),
        ("Turn-On-P03", 1),
        ("turn_on-P03", 1),
        ("turn-off", 0),  # what follows the dash may be anything
        ("pan:dust-1", 3),
        ("pan_dust-1", 3),
        ("PAN DUST-1", 3),
        ("2-P03", 2),
        ("7-P03", 4),  # a class of that name comes before a number
        ("P03", None),
    ],
)
def test_labels_of_folders(tmp_path: Path, folder: str, wanted: int | None) -> None:
    classifier = vx.VideoClassifier(SmallNet(len(KITCHEN)), class_names=KITCHEN)
    write_frames(tmp_path / folder, ["1.png"])
    assert classifier.label_index(vx.read_video(tmp_path / folder)) == wanted


@pytest.mark.parametrize("folder", ["trun-on-P03", "6-P03", "-P03", "--3"])
def test_labels_that_are_none(tmp_path: Path, folder: str) -> None:
    classifier = vx.VideoClassifier(SmallNet(len(KITCHEN)), class_names=KITCHEN)
    write_frames(tmp_path / folder, ["1.png"])
    with pytest.raises(DataError, match="is none of the network's classes"):
        classifier.label_index(vx.read_video(tmp_path / folder))


@pytest.mark.parametrize("name", ["turn-on", "turn_on", "TURN ON", "1"])
def test_targets_by_name_or_index(name: str) -> None:
    classifier = vx.VideoClassifier(SmallNet(len(KITCHEN)), class_names=KITCHEN)
    assert classifier.class_index(name) == 1
    with pytest.raises(ConfigError, match="unknown class '--3'"):
        classifier.class_index("--3")


def test_a_label_that_is_a_number_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    classifier = vx.VideoClassifier(SmallNet(len(KITCHEN)), class_names=KITCHEN, size=(8, 8))
    write_frames(tmp_path / "2-05-2020", ["1.png"])
    clips = classifier.preprocess(vx.read_video(tmp_path / "2-05-2020"))
    assert clips.label(0) == 2
    assert "label 2: taken as class take" in caplog.messages


def test_labels_of_another_data_set_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    classifier = vx.VideoClassifier(SmallNet(len(KITCHEN)), class_names=KITCHEN, size=(8, 8))
    videos = shapes(num_clips=16)
    clips = classifier.preprocess(videos)
    assert [clips.label(index) for index in range(len(clips))] == [None] * len(clips)
    assert len(caplog.messages) == len({video.label for video in videos}) < len(videos)
    assert caplog.messages[0] == (
        "clips of label down that name no class of the network count as without"
    )


def test_a_job_says_each_label_once(caplog: pytest.LogCaptureFixture) -> None:
    """However many its batches are; the next job says them again."""
    classifier = vx.VideoClassifier(SmallNet(len(KITCHEN)), class_names=KITCHEN, size=(8, 8))
    for jobs in (1, 2):
        with told_once(targets.log):
            for _ in range(3):
                classifier.preprocess(shapes(num_clips=2))
        assert len(caplog.messages) == 2 * jobs
