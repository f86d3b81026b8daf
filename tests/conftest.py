from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

from tests import browser as browsers
from tests.formulas import SmallNet
from videxplain.models.classifier import VideoClassifier

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(autouse=True)
def _few_threads() -> Iterator[None]:
    torch.set_num_threads(min(2, torch.get_num_threads()))
    yield
    GlobalHydra.instance().clear()


@pytest.fixture(scope="session")
def small() -> VideoClassifier:
    return VideoClassifier(SmallNet(), cam_layer="layer4")


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the folder of real videos and networks is not beside this checkout")
    return SHARED


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsers.started() as started:
        yield started


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:  # noqa: ANN401
    with browsers.watched(browser) as page:
        yield page
