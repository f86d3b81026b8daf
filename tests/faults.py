"""Faults injected for real: a small disk, a folder that cannot be written to, an odd network."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

CLASSES = 4
OWN = (
    *("plugins=[tests]", "model=custom", "model.net._target_=tests.faults.build", "model.frames=4"),
    *("model.size=[32,32]", "model.class_names=[a,b,c,d]", "target=predicted", "threads=1"),
    *("method=grad", "metrics=[visible_area]", "logger=none", "report=false"),
)
"""A job of the network below."""
Fault = Callable[[Tensor, Tensor], Tensor]


def nothing(_frames: Tensor, logits: Tensor) -> Tensor:
    return logits


fault: Fault = nothing
"""What befalls the network: frames and logits to logits; tests replace it."""


class Net(nn.Module):
    def forward(self, frames: Tensor) -> Tensor:
        colours = frames.mean((2, 3, 4))
        return fault(frames, colours @ torch.arange(3.0 * CLASSES).view(3, CLASSES))


def build() -> Net:
    return Net()


def write_clip(folder: Path, level: int, frames: int = 4) -> Path:
    """A folder of pictures of one grey."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(frames):
        Image.new("RGB", (32, 32), (level, level, level)).save(folder / f"{number}.png")
    return folder


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A file system of that size in memory, in place of the folder; what is yielded resizes it."""
    folder.mkdir(parents=True, exist_ok=True)
    _permitted("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield lambda size: _permitted("mount", "-o", f"remount,size={size}", str(folder))
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder in which nothing can be made or renamed, by root either."""
    set_read_only(folder)
    try:
        yield
    finally:
        set_read_only(folder, really=False)


def set_read_only(folder: Path, *, really: bool = True) -> None:
    if os.geteuid() == 0:  # to whom permissions are nothing
        _permitted("chattr", "+i" if really else "-i", str(folder))
    else:
        folder.chmod(0o555 if really else 0o755)


def _permitted(*command: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here to inject the fault with")
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{command[0]} is not permitted here: {done.stderr.strip()}")
