"""Explain a network of your own: any torch.nn.Module that maps clips to class scores.

python examples/own_network.py
"""

import argparse

import torch
from torch import Tensor, nn

import videxplain as vx


class Network(nn.Module):
    """Stands for yours; its weights are random."""

    def __init__(self, classes: int) -> None:
        """Three convolutions over space and time, and a linear layer."""
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(3, 16, 3, stride=(1, 2, 2), padding=1),
            nn.ReLU(),
            nn.Conv3d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv3d(32, 32, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Linear(32, classes)

    def forward(self, frames: Tensor) -> Tensor:
        """From frames ``b c t h w`` to one score a class, ``b k``."""
        scores: Tensor = self.head(self.features(frames).mean(dim=(2, 3, 4)))
        return scores


def main() -> None:
    """Wrap the network with what its training fixed, and ask two methods about it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-iter", type=int, default=400, help="at most; 10 show that it works")
    given = parser.parse_args()

    torch.manual_seed(0)
    names = ["walk", "run"]
    classifier = vx.VideoClassifier(
        Network(len(names)),
        frames=8,
        size=(64, 64),  # height, width
        mean=(0.43, 0.39, 0.38),  # of the colours it was trained on
        std=(0.23, 0.22, 0.22),
        class_names=names,
        cam_layer="features.4",  # where Grad-CAM looks
    )
    clips = vx.Clips(torch.randn(1, 3, 8, 64, 64))  # normalised frames; or classifier.preprocess

    cam = vx.explain(classifier, clips, method="grad_cam", target="run")
    print("grad_cam", tuple(cam.values.shape))
    masks = vx.explain(
        classifier,
        clips,
        method="3d_ep",
        target="run",
        perturb_area=[0.1, 0.3],
        num_iter=given.num_iter,
    )
    for area, mask in zip(masks.areas or (), masks.values, strict=True):
        print(f"3d_ep at area {area}: {mask.mean():.2f} of the frames kept")


if __name__ == "__main__":
    main()
