"""A small report, written by hand as the builder writes one, with what a sweep seldom holds."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from videxplain.report.page_files import copy_page, put

HOSTILE = "<img src=x onerror=window.hacked=1>"
ERROR = f"no memory left\n{HOSTILE}"
SKIPPED = "step needs gradients, which this network does not give"
CLIPS = {"img_src_x-1f": HOSTILE, "waving": "waving"}
MODELS = {"net_a": 8, "net_b": 4}
"""Frames of a clip, by network."""
METHODS = ("step", "grad", "random")
AREAS = (0.25, 0.5)
SIDE, COLUMNS = 32, 3
BLURRED = 90
FADED = 128


def write(folder: Path) -> Path:
    """Three methods on two networks and two clips; one job failed and one was skipped.

    Returns:
        The page.
    """
    put(folder, "overview", overview(_jobs()))
    put(folder, "comparison", _comparison())
    put(folder, "clips", {"clips": [_listed(clip) for clip in CLIPS]})
    for model, count in MODELS.items():
        put(folder, f"frames/{_pixels(model)}", _frames(count))
        for method in METHODS:
            put(folder, f"jobs/{job(model, method)}", _curves(method, count))
            for clip in CLIPS:
                put(folder, f"media/{job(model, method)}/{clip}", _media(method, count))
    for clip, name in CLIPS.items():
        tiles = [_tile(model, method) for model in MODELS for method in METHODS]
        put(folder, f"clips/{clip}", {"name": name, "label": "left", "tiles": tiles})
    copy_page(folder)
    return folder / "index.html"


def overview(jobs: list[dict[str, Any]]) -> dict[str, Any]:
    told = {"folder": "outputs/sweeps/2026-01-01_12-00-00", "made": "2026-01-01 12:34"}
    return {**told, "versions": {"videxplain": "0.1.0"}, "jobs": jobs}


def a_job(number: int, **told: Any) -> dict[str, Any]:  # noqa: ANN401
    usual = {"state": "done", "error": None, "model": "net_a", "pretrain_dataset": "shapes"}
    more = {"setting": "", "method": "step", "clips": 2, "seconds": 1.5 * number}
    places = {"command": f"videxplain seed={number}", "folder": f"outputs/results/{number}"}
    return {"job": f"{number:012x}", **usual, **more, **places, **told}


def job(model: str, method: str) -> str:
    """Its name."""
    return f"{list(MODELS).index(model) * len(METHODS) + METHODS.index(method) + 1:012x}"


def _jobs() -> list[dict[str, Any]]:
    pairs = [(model, method) for model in MODELS for method in METHODS]
    lost: dict[str, Any] = {"job": None, "clips": None, "seconds": None, "model": "net_b"}
    return [
        *(a_job(at, model=model, method=method) for at, (model, method) in enumerate(pairs, 1)),
        a_job(7, state="failed", error=ERROR, **lost),
        a_job(8, state="skipped", error=SKIPPED, **lost),
    ]


def row(model: str, metric: str, method: str, area: float | None, mean: float) -> dict[str, Any]:
    """Of the comparison."""
    names = {"model": model, "pretrain_dataset": "shapes", "setting": "", "metric": metric}
    judged = {"beats_random": 0.9, "better_than_random": method == "step", "best": method == "step"}
    shown = None if area is None else area + 0.02
    numbers = {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}
    return {**names, "method": method, "area": area, "visible_area": shown, "clips": 2} | (
        numbers | judged
    )


def _comparison() -> dict[str, Any]:
    score = {"step": 0.8, "grad": 0.5, "random": 0.3}
    rows = [
        row(model, metric, method, area, score[method] + (area or 0) / 10)
        for model in MODELS
        for metric in ("probability_kept", "deletion_auc")
        for method in METHODS
        for area in ((None,) if method == "grad" else AREAS)
    ]
    judged = [
        {key: each[key] for key in ("model", "pretrain_dataset", "setting", "metric")}
        | {"pairs": 240, "better_than_random": 0.97, "low": 0.9, "high": 0.99}
        | {"consistency": 0.37, "reliable": True if kept else None}
        for each in rows
        if each["method"] == "grad"
        for kept in [each["metric"] == "probability_kept"]
    ]
    names = {"pretrain_dataset": "shapes", "setting": ""}
    curves = [
        {"model": model, "method": method, "job": job(model, method), **names}
        for model in MODELS
        for method in METHODS
    ]
    metrics = {
        "probability_kept": {
            "says": "Of the target through the mask.",
            "higher_is_better": True,
            "citation": "Fong et al., ICCV 2019",
        },
        "deletion_auc": {"higher_is_better": False, "citation": "Petsiuk et al., BMVC 2018"},
    }
    told = {name: {"category": "causal", **each} for name, each in metrics.items()}
    return {"metrics": told, "rows": rows, "reliability": judged, "curves": curves}


def _areas(method: str) -> list[float | None]:
    return [None] if method == "grad" else list(AREAS)


def _curves(method: str, count: int) -> dict[str, Any]:
    areas = _areas(method)
    search = {"energy": [[3.0, 2.0, 1.0 + at] for at in range(len(areas))]}
    search["reward"] = [[0.1, 0.5, 0.9] for _ in areas]
    shares = [{"area": area, "shares": [0, 0.5, 1], "values": [0.1, 0.6, 0.9]} for area in areas]
    return {
        "areas": areas,
        "iterations": search if method == "step" else {},
        "shares": {"insertion_auc": shares},
        "temporal": [[1 / count] * count for _ in areas],
    }


def _pixels(model: str) -> str:
    return f"{list(MODELS).index(model) + 1:016x}"


def original(frame: int) -> int:
    """The grey of a clip's frame, all over."""
    return 100 + 15 * frame


def _frames(count: int) -> dict[str, Any]:
    frames = np.stack([np.full((SIDE, SIDE, 3), original(at), np.uint8) for at in range(count)])
    return {
        **_layout(count),
        "original": _sheet(frames),
        "blurred": _sheet(np.full_like(frames, BLURRED)),
    }


def levels(method: str, area: float | None, count: int) -> np.ndarray:
    """Saliency in 0..255: a mask is the left share of every frame, a map rises to the right."""
    ramp = np.arange(count * SIDE * SIDE).reshape(count, SIDE, SIDE) / (count * SIDE * SIDE - 1)
    if area is None:
        return (255 * ramp).astype(np.uint8)
    mask = np.zeros((count, SIDE, SIDE), np.uint8)
    if method == "random":
        mask[:, : int(SIDE * area)] = 255
    else:
        mask[:, :, : int(SIDE * area)] = 255
    return mask


def _media(method: str, count: int) -> dict[str, Any]:
    areas = _areas(method)
    told = {
        "sheets": [_sheet(levels(method, area, count)) for area in areas],
        "scales": [
            "positive, divided by its 99th percentile" if area is None else "mask, 0 to 1"
            for area in areas
        ],
    }
    curves = _curves(method, count)
    del curves["areas"]
    return {**_layout(count), **told, **curves}


def _tile(model: str, method: str) -> dict[str, Any]:
    names = {"model": model, "pretrain_dataset": "shapes", "setting": "", "method": method}
    answer = {"target": "left", "prediction": "left", "probability": 0.98, "polarity": "positive"}
    records: list[dict[str, Any]] = [
        {
            "area": area,
            "metrics": {
                "probability_kept": 0.9,
                "visible_area": area + 0.02,
                "converged_at": 180 if method == "step" else None,
                "preserved": int(not (method == "random" and area == AREAS[0])),
            },
        }
        for area in AREAS
    ]
    if method == "grad":
        records.insert(0, {"area": None, "metrics": {"insertion_auc": 0.7}})
    return {
        **names,
        **answer,
        "job": job(model, method),
        "frames": _pixels(model),
        "command": f"videxplain model={model} method={method}",
        "faded": FADED if model == "net_b" else None,
        "maps": [{"area": area} for area in _areas(method)],
        "records": records,
    }


def _listed(clip: str) -> dict[str, Any]:
    return {"clip": clip, "name": CLIPS[clip], "label": "left", "jobs": 6, "not_preserved": 2}


def _layout(count: int) -> dict[str, int]:
    return {"count": count, "height": SIDE, "width": SIDE, "columns": COLUMNS}


def _sheet(frames: np.ndarray) -> str:
    rows = -(-len(frames) // COLUMNS)
    sheet = np.zeros((rows * SIDE, COLUMNS * SIDE, *frames.shape[3:]), np.uint8)
    for at, frame in enumerate(frames):
        top, left = at // COLUMNS * SIDE, at % COLUMNS * SIDE
        sheet[top : top + SIDE, left : left + SIDE] = frame
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
