"""Names become objects, and only the ones that may."""

from pathlib import Path
from typing import Any

import pytest

from videxplain import api, building, catalog, model_choice, sinks
from videxplain.errors import ConfigError, UnsupportedPairError

CENTER = "videxplain.methods.center.Center"


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "pathlib.Path.write_text",
        "joblib.load",
        "videxplainer.anything",
        "eval",
        "",
        None,
        7,
        "videxplain.building._locate",
        "videxplain.building.build",
        "videxplain.models.weights.read_weights",
        "videxplain.models.checkpoints.Checkpoint",
        "videxplain.models.fetch.fetch",
        "videxplain.models.tsm.open_weights",
        "videxplain.models.i3d.fill",
        "videxplain.models.tsm.resnet50",
        "videxplain.models.tiny._shift_folded",
        "videxplain.runner.run",
        "videxplain.building.importlib.import_module",
        "videxplain.catalog.Path",
        "videxplain.building.inspect",
        "videxplain.models.weights.torch.load",
        "videxplain.models.weights.load_file",
        "videxplain..catalog",
        "videxplain.nothing.here",
    ],
)
def test_refused_targets(target: object) -> None:
    with pytest.raises(ConfigError, match=r"method\._target_="):
        building.build({"_target_": target}, "method")


def test_no_sink_but_the_logger_may_be_named() -> None:
    folder = Path(sinks.__file__).parent
    for module in sorted({path.stem for path in folder.glob("*.py")} - {"__init__", "wandb"}):
        with pytest.raises(ConfigError, match="is no part to choose"):
            building.build({"_target_": f"videxplain.sinks.{module}.anything"}, "logger")


def test_refused_before_anything_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil.py").write_text(
        f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\ndef go(): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    nested = {"_target_": CENTER, "spread": [{"deep": {"_target_": "evil.go"}}]}
    with pytest.raises(ConfigError, match=r"plugins=\[evil\]"):
        building.build(nested, "method")
    assert not (tmp_path / "ran").exists()
    building.build({"_target_": "evil.go"}, "method", plugins=["evil"])
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"spread": -1}, r"method\.spread=-1: input should be greater than 0"),
        ({"spread": "wide"}, r"method\.spread='wide': input should be a valid number"),
        ({"spred": 1}, r"unknown key of method 'spred': did you mean 'spread'"),
    ],
)
def test_arguments_are_checked(part: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        building.build({"_target_": CENTER, **part}, "method")


def test_sections_read_root_keys_and_changes() -> None:
    assert catalog.section("method", "step")["num_iter"] == 400
    changed = catalog.section("method", "step", {"num_iter": 7, "sigma": 5})
    assert (changed["num_iter"], changed["sigma"]) == (7, 5)
    assert catalog.section("method", "random", {"seed": 3})["seed"] == 3
    with pytest.raises(ConfigError, match=r"unknown key of method=step 'num_itr'.*'num_iter'"):
        catalog.section("method", "step", {"num_itr": 7})
    with pytest.raises(ConfigError, match="unknown method 'stp': did you mean 'step'"):
        catalog.section("method", "stp")


def test_pairs() -> None:
    model = catalog.section("model", "r3d")
    model_choice.check_pair("r3d", model, "kinetics")
    with pytest.raises(UnsupportedPairError, match="go with model=r3d: choose kinetics"):
        model_choice.check_pair("r3d", model, "shapes")
    with pytest.raises(ConfigError, match="unknown pretrain_dataset 'kinetic'"):
        api.load_model("r3d", "kinetic")


@pytest.mark.parametrize("group", ["method", "metrics"])
def test_every_file_of_conf_builds(group: str) -> None:
    assert catalog.names(group)
    for name in catalog.names(group):
        building.build(catalog.section(group, name), group)
