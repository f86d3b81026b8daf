"""Every reader of files of the user's, with small whole files to break."""

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from tests.fuzzing import Reader, mutated_bytes, mutated_json, mutated_text
from tests.videos import write_video
from videxplain import cli, commands, evaluate_cli
from videxplain.data import decoder_process
from videxplain.data.files import find_videos, read_video
from videxplain.errors import ConfigError
from videxplain.models.weights import fill, read_weights
from videxplain.report.compare import write_comparison
from videxplain.report.finished import finished
from videxplain.report.site import write_report
from videxplain.report.summary import write_summary
from videxplain.sinks.disk import DiskSink, load_attribution

_PATIENCE = 5.0
"""Seconds that the decoder may take for a step of so small a file."""
_LITTLE = ("data.num_clips=1", "num_iter=1")
"""However much is asked for: work is not what is tried."""
_JOB = (
    *("data=shapes", "data.num_clips=1", "method=center", "device=cpu"),
    "metrics=[visible_area,entropy]",
)


def readers(folder: Path) -> list[Reader]:
    """All of them; what they need is made in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    outputs = _outputs(folder)
    job, recorded = _copy(outputs, folder / "broken"), _copy(outputs, folder / "broken_record")
    (record,) = job.glob("records/*.json")
    (archive,) = job.glob("attributions/*.npz")
    result = (job / "result.json").read_bytes()
    return [
        Reader("video", _videos(folder), _read_video, mutated_bytes),
        Reader("frames", _pictures(), _read_frames, mutated_bytes),
        Reader("boxes", {"boxes.csv": _BOXES}, partial(_read_boxes, _marked(folder)), mutated_text),
        Reader("checkpoint", _checkpoints(folder), _read_checkpoint, mutated_bytes),
        Reader("attribution", {"a.npz": archive.read_bytes()}, load_attribution, mutated_bytes),
        Reader("result", {"result.json": result}, partial(_read_result, job), mutated_json),
        Reader(
            "record",
            {record.name: record.read_bytes()},
            partial(_read_record, recorded, result),
            mutated_json,
        ),
        Reader("configuration", {"mine.yaml": _CONFIGURATION}, _read_configuration, mutated_text),
        Reader("command line", {"arguments": _ARGUMENTS}, _read_arguments, mutated_text),
        Reader(
            "metrics asked for",
            {"arguments": _METRICS},
            partial(_read_metrics, outputs),
            mutated_text,
        ),
    ]


def _videos(folder: Path) -> dict[str, bytes]:
    names = ("a.mp4", "b.avi", "c.mkv", "d.webm", "e.gif")
    return {name: write_video(folder / name, 12, size=(32, 40)).read_bytes() for name in names}


def _read_video(path: Path) -> None:
    with patch.object(decoder_process, "_PATIENCE", _PATIENCE):
        video = read_video(path)
        video.read(sorted({0, video.length // 2, max(0, video.length - 1)}))


def _pictures() -> dict[str, bytes]:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 30, 3), dtype=np.uint8)
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "1.png": ("RGB", {}),
        "2.png": ("P", {}),
        "3.png": ("I;16", {}),
        "4.jpg": ("RGB", {}),
        "5.jpg": ("L", {"progressive": True}),
    }
    found = {}
    for name, (mode, options) in kinds.items():
        buffer, picture = io.BytesIO(), Image.fromarray(pixels)
        picture = picture.convert("L").convert(mode) if mode == "I;16" else picture.convert(mode)
        picture.save(buffer, format="PNG" if name.endswith("png") else "JPEG", **options)
        found[name] = buffer.getvalue()
    return found


def _read_frames(path: Path) -> None:
    """A folder with this picture alone."""
    for other in path.parent.iterdir():
        if other != path:
            other.unlink()
    read_video(path.parent).read([0])


_BOXES = b"clip,frame,x0,y0,x1,y1\n" + b"".join(
    b"clip-%d,%d,%d,2,%d,9.5\n" % (index % 2, index, index, index + 7) for index in range(6)
)


def _marked(folder: Path) -> Path:
    """Clips that the boxes lie in."""
    for name in ("clip-0", "clip-1"):
        (folder / "marked" / name).mkdir(parents=True, exist_ok=True)
        for index in range(6):
            Image.new("RGB", (16, 12)).save(folder / "marked" / name / f"{index}.png")

    return folder / "marked"


def _read_boxes(marked: Path, path: Path) -> None:
    for video in find_videos(str(marked), boxes=str(path)):
        if video.read_truth is not None:
            video.read_truth(range(video.length))


def _net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def _checkpoints(folder: Path) -> dict[str, bytes]:
    state = _net().state_dict()
    torch.save(state, folder / "zip.pt")
    torch.save({"state_dict": state, "epoch": 3}, folder / "nested.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file(state, folder / "plain.safetensors")
    names = ("zip.pt", "nested.pth", "old.pth", "plain.safetensors")
    return {name: (folder / name).read_bytes() for name in names}


def _read_checkpoint(path: Path) -> None:
    fill(_net(), read_weights(path))


def _outputs(folder: Path) -> Path:
    """A job of one clip."""
    outputs = folder / "outputs"
    if not outputs.exists():
        _call(cli.main, "videxplain", (*_JOB, f"outputs_dir={outputs}"))
    return outputs


def _copy(outputs: Path, to: Path) -> Path:
    """The folder of the job in a copy."""
    (job,) = shutil.copytree(outputs, to, dirs_exist_ok=True).glob("results/*/*/*/*")
    return job


def _read_result(job: Path, path: Path) -> None:
    """By everything that reads a result; the job computes nothing anew where it is whole."""
    outputs = job.parents[4]
    whole = (job / "result.json").read_bytes()
    (job / "result.json").write_bytes(path.read_bytes())
    try:
        write_summary(outputs)
        write_report(outputs)
        write_comparison(outputs)
        _measure(outputs)
    finally:
        (job / "result.json").write_bytes(whole)


def _measure(outputs: Path) -> None:
    _call(evaluate_cli.main, "videxplain-evaluate", (str(outputs), "metrics=[gini]"))


def _read_record(job: Path, whole: bytes, path: Path) -> None:
    (job / "records" / path.name).write_bytes(path.read_bytes())
    (job / "result.json").write_bytes(whole)
    clip = json.loads(whole)["records"][0]["clip"]
    DiskSink(job.parents[4], job).records(clip)
    (done,) = finished(job)
    done.pixels(clip)
    _measure(job.parents[4])


_CONFIGURATION = b"""defaults:
  - config
  - override model: tiny_tsm
  - override method: center
  - override metrics: [visible_area, gini]
  - _self_
data:
  num_clips: 1
perturb_area: [0.1, 0.2]
map_area: [0.3]
seed: 3
target: predicted
batch_size: 2
save_label: mine
method:
  _target_: videxplain.methods.center.Center
  spread: 0.3
metrics:
  gini: {polarity: both}
plugins: []
"""


def _read_configuration(path: Path) -> None:
    own = ("--config-dir", str(path.parent), "--config-name", path.stem)
    _in_passing(cli.main, "videxplain", (*own, "data=shapes", *_LITTLE))


_ARGUMENTS = b"""data=shapes
data.num_clips=1
method=3d_ep
method.sigma=4
method.step=3
method.terms.area.weight.start=20
perturb_area=[0.1,0.2]
optimizer.betas=[0.5,0.9]
target='up left'
metrics=[visible_area,gini]
metrics.gini.polarity=both
seed=3
save_label=mine
model=tiny_tsm
weights=auto
device=cpu
"""


def _read_arguments(path: Path) -> None:
    _in_passing(cli.main, "videxplain", (*_lines(path), *_LITTLE))


_METRICS = b"""metrics=[gini,insertion_auc]
metrics.gini.polarity=both
metrics.insertion_auc.steps=3
batch_size=1
device=cpu
"""


def _read_metrics(outputs: Path, path: Path) -> None:
    _call(evaluate_cli.main, "videxplain-evaluate", (str(outputs), *_lines(path)))


def _lines(path: Path) -> tuple[str, ...]:
    """Arguments as a shell would give them: without NUL, and with any bytes."""
    lines = path.read_bytes().replace(b"\0", b"").splitlines()
    asked_for_help = (b"-h", b"--help")
    return tuple(os.fsdecode(line) for line in lines if line not in asked_for_help)


def _in_passing(main: Callable[[], None], name: str, arguments: tuple[str, ...]) -> None:
    """A command in a folder that is thrown away."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            _call(main, name, arguments)
        finally:
            os.chdir(here)


def _call(main: Callable[[], None], name: str, arguments: tuple[str, ...]) -> None:
    """A command in this process; its own refusals are errors of the same kind as readers' are."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", [name, *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as stop:
            said = err.getvalue()
            if stop.code not in (None, 0, commands.USERS_MISTAKE) or "Traceback" in said:
                message = f"exit code {stop.code}: {said}"
                raise RuntimeError(message) from stop
            if stop.code:
                raise ConfigError(said) from stop
