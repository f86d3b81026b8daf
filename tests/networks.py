"""A network that was really trained on video, from its own folder."""

from pathlib import Path

from videxplain import catalog
from videxplain.models.classifier import VideoClassifier

LRCN_CLASSES = ["WalkingWithDog", "TaiChi", "Swing", "HorseRace"]


def load_lrcn(folder: Path) -> VideoClassifier:
    """As ``model=custom`` builds it on the command line; the folder must be on ``sys.path``."""
    changes = {
        "net": {"_target_": "lrcn.build", "weights": str(folder / "lrcn_ucf50.pt")},
        "frames": 20,
        "size": [64, 64],
        "resize": [64, 64],
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "class_names": LRCN_CLASSES,
    }
    section = catalog.section("model", "custom", changes)
    classifier: VideoClassifier = catalog.build(section, "model", plugins=["lrcn"])
    return classifier
