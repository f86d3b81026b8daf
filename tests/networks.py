"""A network that was really trained on video, from its own folder, and one with a memory."""

from pathlib import Path

from torch import Tensor, nn

from videxplain import building, catalog
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
    classifier: VideoClassifier = building.build(section, "model", plugins=["lrcn"])
    return classifier


class Recurrent(nn.Module):
    """A recurrent layer over the mean colours of the frames."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)

    def forward(self, frames: Tensor) -> Tensor:
        states: Tensor = self.lstm(frames.mean((3, 4)).transpose(1, 2))[0]
        return states[:, -1]
