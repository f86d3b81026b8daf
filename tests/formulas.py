"""Closed formulas for weights and inputs; the golden numbers were made with them."""

import json
import math
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return read


def fill(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every entry replaced by noise seeded with its name, scaled as its kind asks for."""
    return {key: _filled(key, value).to(value.dtype) for key, value in state.items()}


def _filled(key: str, value: Tensor) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.zeros_like(value)
    noise = torch.randn(
        tuple(value.shape), generator=torch.Generator().manual_seed(zlib.crc32(key.encode()))
    )
    if key.endswith("running_mean"):
        return 0.1 * noise
    if key.endswith("running_var"):
        return 1 + 0.25 * noise.abs()
    if key.endswith("bias"):
        return 0.05 * noise
    if value.dim() == 1:
        return 1 + 0.1 * noise
    fan_in = value.numel() / value.shape[0]
    return noise * math.sqrt((2 if value.dim() == 5 else 1) / fan_in)


def clip(count: int, frames: int, height: int, width: int) -> Tensor:
    """A moving wave pattern ``n 3 t h w``."""
    sizes = (count, 3, frames, height, width)
    axes = [np.arange(size, dtype=np.float64) for size in sizes]
    n, c, t, i, j = np.meshgrid(*axes, indexing="ij", sparse=True)
    waves = np.sin(0.11 * (c + 1) * i + 0.07 * j + 0.6 * t + n)
    waves = waves + 0.5 * np.cos(0.13 * j - 0.05 * i * (t + 1) / frames + 0.9 * c)
    return torch.from_numpy(waves).float()


def coarse_mask(frames: int, rows: int, columns: int) -> Tensor:
    """Parameters ``t r c`` in [0.05, 0.95]."""
    t, i, j = _axes(frames, rows, columns)
    return torch.from_numpy(0.5 + 0.45 * np.sin(1.3 * i + 0.7 * j + 0.4 * t + 0.2 * i * j)).float()


def smooth_mask(frames: int, height: int, width: int) -> Tensor:
    """A mask ``t h w`` in [0.01, 0.99]."""
    t, i, j = _axes(frames, height, width)
    waves = np.sin(0.05 * i + 0.3 * t) * np.cos(0.04 * j - 0.2 * t)
    return torch.from_numpy(0.5 + 0.49 * waves).float()


def _axes(*sizes: int) -> tuple[np.ndarray, ...]:
    return np.meshgrid(*[np.arange(n, dtype=np.float64) for n in sizes], indexing="ij", sparse=True)


def functional(tensor: Tensor) -> Tensor:
    """A random-looking linear function of a tensor."""
    weights = np.cos(0.37 * np.arange(tensor.numel(), dtype=np.float64))
    return (tensor.flatten() * torch.from_numpy(weights).to(tensor)).sum()


class SmallNet(nn.Module):
    """Three strided 3-D convolutions and a linear head, filled with the formulas."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 8, 3, stride=(1, 2, 2), padding=1), nn.ReLU())
        self.layer3 = nn.Sequential(nn.Conv3d(8, 16, 3, stride=2, padding=1), nn.ReLU())
        self.layer4 = nn.Sequential(nn.Conv3d(16, 24, 3, stride=2, padding=1), nn.ReLU())
        self.fc = nn.Linear(24, classes)
        self.load_state_dict(fill(self.state_dict()))

    def forward(self, frames: Tensor) -> Tensor:
        features = self.layer4(self.layer3(self.stem(frames)))
        logits: Tensor = self.fc(features.mean((2, 3, 4)))
        return logits


class Tally(Counter[str]):
    """Counts of a network that its copies add to."""

    def __deepcopy__(self, _: object) -> "Tally":
        return self


def assert_stats(tensor: Tensor, wanted: Mapping[str, Any], *, atol: float) -> None:
    """Compare samples to ``atol``, and what is summed over the tensor to that times its size."""
    flat = tensor.detach().double().flatten()
    assert flat.numel() == math.prod(wanted["shape"])
    samples = flat[wanted["positions"]].tolist()
    assert samples == pytest.approx(wanted["samples"], abs=atol)
    assert flat.mean().item() == pytest.approx(wanted["mean"], abs=atol)
    assert flat.std(correction=0).item() == pytest.approx(wanted["std"], abs=atol)
    spread = atol * math.sqrt(flat.numel())
    assert flat.norm().item() == pytest.approx(wanted["l2"], abs=spread)
    assert functional(flat).item() == pytest.approx(wanted["dot"], abs=spread)
