"""Configurations of a sweep: the same as Hydra's own, and most of them without Hydra."""

from collections.abc import Iterator

import pytest
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from videxplain import catalog
from videxplain.composing import Composer

BASE = ("logger=none", "data=shapes")
JOBS = [
    (*BASE, "method=step"),
    (*BASE, "method=step", "perturb_area=[0.1,0.2]"),
    (*BASE, "method=step", "perturb_area=0.3", "num_iter=5"),
    (*BASE, "method=step", "method.terms.core.length=8", "data.num_clips=3"),
    (*BASE, "method=step", "++method.terms.core.length=8", "+model.net={number: 3}"),
    (*BASE, "method=step", "save_label='a b'", "target=null", "videos_dir='~/x y'"),
    (*BASE, "seed=3", "method=step"),
    (*BASE, "method=grad", "metrics=[gini,entropy]", "map_area=[0.1]"),
    (*BASE, "method=grad", "metrics=[insertion_auc]", "metrics.insertion_auc.steps=4"),
    ("experiment=smoke", "num_iter=3"),
    ("model=i3d", "model.frames=8", "perturb=paper", "optimizer.learning_rate=2"),
]


@pytest.fixture
def loader() -> Iterator[ConfigLoader]:
    with initialize_config_dir(str(catalog.conf_folder()), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


@pytest.fixture
def sweep(loader: ConfigLoader) -> DictConfig:
    return loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)


@pytest.fixture
def compose(loader: ConfigLoader, sweep: DictConfig) -> Composer:
    return Composer(loader, sweep)


def plain(composed: DictConfig) -> object:
    return OmegaConf.to_container(composed, resolve=False)


def test_the_same_as_hydra_composes(
    compose: Composer, loader: ConfigLoader, sweep: DictConfig
) -> None:
    for overrides in JOBS:
        found = compose.load_sweep_config(sweep, overrides)
        wanted = loader.load_sweep_config(sweep, list(overrides))
        assert plain(found) == plain(wanted), overrides
        job = compose(overrides)
        assert job.choices == wanted.hydra.runtime.choices
        with open_dict(wanted):
            del wanted["hydra"]
        assert plain(job.composed) == plain(wanted), overrides


def test_hydra_composes_once_for_each_choice(
    compose: Composer, loader: ConfigLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, whole = [], loader.load_sweep_config

    def load(composed: DictConfig, overrides: list[str]) -> DictConfig:
        asked.append(overrides)
        return whole(composed, overrides)

    monkeypatch.setattr(loader, "load_sweep_config", load)
    jobs = [
        compose((*BASE, f"method={method}", f"seed={seed}"))
        for method in ("step", "grad")
        for seed in range(5)
    ]
    assert len(asked) == 2
    assert [job.composed.seed for job in jobs] == [*range(5)] * 2


@pytest.mark.parametrize("wrong", ["method.nothing=3", "+seed=4", "data.num_clips.x=3"])
def test_what_cannot_be_is_told_by_hydra(compose: Composer, wrong: str) -> None:
    with pytest.raises(ConfigCompositionException):
        compose((*BASE, "method=step", wrong))


def test_jobs_are_independent(compose: Composer) -> None:
    first = compose((*BASE, "method=step", "seed=1"))
    compose((*BASE, "method=step", "seed=2"))
    assert first.composed.seed == 1
