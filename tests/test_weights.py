"""Weights files: what loads, what is refused."""

import argparse
import os
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests import formulas
from tests.formulas import clip
from tests.test_i3d import piergiaj_names
from videxplain import api, catalog
from videxplain.config import job_hash
from videxplain.errors import ConfigError, WeightsError
from videxplain.models import i3d
from videxplain.models.checkpoints import Checkpoint, cache_folder, file_sha256, git_blob
from videxplain.models.classifier import VideoClassifier
from videxplain.models.weights import fill, read_weights

State = dict[str, Tensor]


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def weight(of: nn.Module) -> Tensor:
    first: Tensor = of.state_dict()["0.weight"]
    return first.clone()


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch ran",)


class Foreign:
    """What a training may keep beside its weights."""


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_saved_weights_load(tmp_path: Path, suffix: str) -> None:
    given, taken = net(), net()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(given.state_dict(), path)
    else:
        save_file(given.state_dict(), path)
    assert fill(taken, read_weights(path)) == file_sha256(path)
    assert torch.equal(weight(taken), weight(given))


def without_counters(state: Mapping[str, Tensor]) -> OrderedDict[str, Tensor]:
    """As PyTorch 0.3 wrote it, or with its version note left on, as a copied dict has it."""
    kept = OrderedDict((k, v) for k, v in state.items() if not k.endswith("num_batches_tracked"))
    kept._metadata = getattr(state, "_metadata", None)  # type: ignore[attr-defined]
    return kept


def prefixed(state: Mapping[str, Tensor], prefix: str) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def half(state: Mapping[str, Tensor]) -> State:
    return {k: v.half() if v.is_floating_point() else v for k, v in state.items()}


def training(state: Mapping[str, Tensor], **more: object) -> dict[str, object]:
    """The levels that published trainings saved."""
    return {"epoch": 50, "arch": "resnet50", "state_dict": state, **more}


OPTIONS = argparse.Namespace(lr=0.01, gpus=[0, 1], shift=True, resume="")
Imitation = Callable[[Mapping[str, Tensor]], Any]
IMITATIONS: dict[str, tuple[str, str, Imitation]] = {
    "torchvision": ("r3d", "kinetics", dict),
    "data parallel": ("mc3", "kinetics", lambda s: training(prefixed(s, "module."))),
    "hassony2": ("i3d", "kinetics", without_counters),
    "piergiaj": ("i3d", "kinetics", lambda s: without_counters(piergiaj_names(s))),
    "piergiaj with counters": ("i3d", "kinetics", piergiaj_names),
    "TSM": (
        "tsm",
        "kinetics",
        lambda s: training(
            prefixed(s, "module."),
            best_prec1=torch.tensor(71.2),
            optimizer={"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": []},
        ),
    ),
    "TSM EPIC": (
        "tsm",
        "epic-kitchens-noun",
        lambda s: training(s, model_type="tsm", segment_count=8, args=OPTIONS, shift_div=8),
    ),
    "prefix model": ("tsm", "epic-kitchens-verb", lambda s: prefixed(s, "model.")),
    "both prefixes": ("tsm", "epic-kitchens-verb", lambda s: prefixed(s, "model.module.")),
}


@pytest.fixture(autouse=True)
def narrow_i3d(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its layers and their names, a sixteenth of the channels, and of the time."""
    monkeypatch.setattr(i3d, "I3D", partial(i3d.I3D, width=1 / 16))


def load(model: str, dataset: str, weights: str) -> VideoClassifier:
    return api.load_model(model, dataset, weights=weights, device="cpu")


def logits(classifier: VideoClassifier) -> Tensor:
    side = 224 if classifier.resize == 256 and classifier.layout == "b c t h w" else 64
    with torch.no_grad():
        scores: Tensor = classifier(clip(1, classifier.frames, side, side))
    return scores


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before-1.6"])
@pytest.mark.parametrize("name", IMITATIONS)
def test_imitations_of_published_files_give_the_same_logits(
    tmp_path: Path, name: str, legacy: bool
) -> None:
    model, dataset, imitate = IMITATIONS[name]
    own = load(model, dataset, "random")
    own.net.load_state_dict(formulas.fill(own.net.state_dict()))
    path = tmp_path / "file.pth"
    torch.save(imitate(own.net.state_dict()), path, _use_new_zipfile_serialization=not legacy)
    loaded = load(model, dataset, str(path))
    assert torch.equal(logits(loaded), logits(own))
    assert list(loaded.net.state_dict()) == list(own.net.state_dict())
    assert loaded.weights_sha256 == file_sha256(path)


@pytest.mark.parametrize("name", ["torchvision", "piergiaj", "TSM"])
def test_half_precision_is_taken_for_what_it_says(tmp_path: Path, name: str) -> None:
    model, dataset, imitate = IMITATIONS[name]
    own = load(model, dataset, "random")
    state = half(formulas.fill(own.net.state_dict()))
    own.net.load_state_dict(state)
    torch.save(imitate(state), tmp_path / "half.pth")
    loaded = load(model, dataset, str(tmp_path / "half.pth"))
    assert all(
        each.dtype == torch.float32
        for each in loaded.net.state_dict().values()
        if each.is_floating_point()
    )
    assert torch.equal(logits(loaded), logits(own))


def test_tsm_and_tsn_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    nets = {
        "tsn": api.load_model("tsm", weights="random", shift=False, device="cpu").net,
        "tsm": api.load_model("tsm", weights="random", device="cpu").net,
    }
    for name, each in nets.items():
        torch.save(training(prefixed(each.state_dict(), "module.")), tmp_path / f"{name}.pth")
        loaded = api.load_model("tsm", weights=str(tmp_path / f"{name}.pth"), device="cpu")
        assert list(loaded.net.state_dict()) == list(each.state_dict())
    with pytest.raises(WeightsError, match=r"weights of a TSN.*give model\.shift=false"):
        api.load_model("tsm", weights=str(tmp_path / "tsn.pth"), shift=True)
    with pytest.raises(WeightsError, match=r"weights of a TSM: give model\.shift=true"):
        api.load_model("tsm", weights=str(tmp_path / "tsm.pth"), shift=False)


def test_a_layout_brings_the_network_that_it_was_published_with(tmp_path: Path) -> None:
    """Whatever the file is called: the two pad clips of odd sizes in their own ways."""
    own = formulas.fill(load("i3d", "kinetics", "random").net.state_dict())
    torch.save(own, tmp_path / "a.pth")
    torch.save(prefixed(piergiaj_names(own), "module."), tmp_path / "b.pth")
    frames = clip(1, 17, 225, 225)
    answers: dict[str, Tensor] = {}
    no_changes: dict[str, Any] = {}
    for name, convention in (("a", "hassony2"), ("b", "deepmind")):
        path = str(tmp_path / f"{name}.pth")
        loaded, asked = (
            api.load_model("i3d", weights=path, device="cpu", **changes)
            for changes in (no_changes, {"convention": convention})
        )
        answers[name] = loaded(frames)
        assert torch.equal(answers[name], asked(frames))
    assert (answers["a"] - answers["b"]).abs().max() > 1e-3
    torch.save({**own, **piergiaj_names(own)}, tmp_path / "both.pth")
    with pytest.raises(WeightsError, match="the same layer twice"):
        api.load_model("i3d", weights=str(tmp_path / "both.pth"))


def test_a_network_may_have_the_prefixes_itself(tmp_path: Path) -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = net()

    given = Wrapped()
    for prefix in ("", "module.", "module.module."):
        for suffix in (".pth", ".safetensors"):
            state, path = prefixed(given.state_dict(), prefix), tmp_path / f"wrapped{suffix}"
            (torch.save if suffix == ".pth" else save_file)(state, path)
            taken = Wrapped()
            fill(taken, read_weights(path))
            assert torch.equal(weight(taken.model), weight(given.model))


def test_buffers_of_other_types_load(tmp_path: Path) -> None:
    """Position indices of a transformer, for one; a number in their place does not."""

    class Indexed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.register_buffer("index", torch.arange(4))
            self.register_buffer("mask", torch.tensor([True, False]))

    state = Indexed().state_dict()
    torch.save(state, tmp_path / "a.pth")
    fill(Indexed(), read_weights(tmp_path / "a.pth"))
    torch.save({**state, "index": torch.zeros(4)}, tmp_path / "b.pth")
    with pytest.raises(WeightsError, match="index are no plain real numbers"):
        fill(Indexed(), read_weights(tmp_path / "b.pth"))


def test_no_cut_gets_through(tmp_path: Path) -> None:
    """A file that ends anywhere is refused in a sentence."""
    path = tmp_path / "cut.pth"
    for legacy in (False, True):
        torch.save(net().state_dict(), path, _use_new_zipfile_serialization=not legacy)
        whole = path.read_bytes()
        for length in range(1, len(whole), 7):
            path.write_bytes(whole[:length])
            with pytest.raises(WeightsError, match=r"cut\.pth"):
                fill(net(), read_weights(path))


def test_an_archive_that_claims_more_than_it_holds(tmp_path: Path) -> None:
    """PyTorch alone would take 4 GB for 40 bytes."""
    path = tmp_path / "bomb.pth"
    torch.save(net().state_dict(), path)
    with zipfile.ZipFile(path) as archive:
        entries = {each.filename: archive.read(each) for each in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content + bytes(10**6) * name.endswith("serialization_id"))
    with pytest.raises(WeightsError, match="is no readable file of weights"):
        read_weights(path)


REFUSED = {
    "cut.pth": "no readable file of weights (PytorchStreamReader failed",
    "cut-legacy.pth": "no readable file of weights",
    "page.pth": "is a web page, not weights",
    "page.safetensors": "is a web page, not weights",
    "words.pth": "no readable file of weights (no format of weights)",
    "page-bom.pth": "is a web page, not weights",
    "pointer.pth": "is a pointer of git LFS, not weights",
    "levels.pth": "holds no plain state_dict (it holds model, epoch): save",
    "words.safetensors": "no readable file of weights",
    "archive.pth": "no readable file of weights",
    "empty.pth": "is an empty file",
    "folder.pth": "is a folder",
    "nowhere.pth": "is not a file",
    "evil.pth": "holds posix.system besides tensors, and a file that does could run code",
    "evil-legacy.pth": "holds posix.system besides tensors, and a file that does could run code",
    "evil-options.pth": "holds tests.test_weights.Foreign besides tensors",
    "module.pth": "holds torch.nn.modules.container.Sequential besides tensors",
    "list.pth": "holds no plain state_dict",
    "numbers.pth": "holds no plain state_dict",
    "nothing.pth": "holds no plain state_dict",
    "lightning.ckpt": "is a Lightning checkpoint",
    "more.pth": "does not fit the network: it has unknown 3.weight",
    "less.pth": "does not fit the network: it lacks 0.bias",
    "other.pth": "it lacks 0.weight, 0.bias, 1.weight and 5 more; it has unknown layer.weight",
    "classes.pth": "it has 7 classes where the network has 2 (2.weight, 2.bias)",
    "wide.pth": "it has other shapes for 0.weight",
    "scalar.pth": "it has other shapes for 2.bias",
    "sparse.pth": "0.weight are no plain real numbers: save the weights as float32",
    "complex.pth": "0.weight are no plain real numbers",
    "float8.pth": "0.weight are no plain real numbers",
    "whole.pth": "0.weight, 0.bias, 1.weight and 5 more are no plain real numbers",
    "meta.pth": "0.weight are no plain real numbers",
    "huge.pth": "NaN or infinite values in 0.weight: remove it",
    "negative.pth": "variances below zero in 1.running_var",
    "nan.pth": "NaN or infinite values in 1.running_var",
    "overflow.pth": "NaN or infinite values in 0.weight",
}


def _write_refused() -> None:
    good = net().state_dict()
    torch.save(good, "good.pth")
    Path("cut.pth").write_bytes(Path("good.pth").read_bytes()[:-300])
    torch.save(good, "legacy.pth", _use_new_zipfile_serialization=False)
    Path("cut-legacy.pth").write_bytes(Path("legacy.pth").read_bytes()[:-20])
    for suffix in ("pth", "safetensors"):
        Path(f"page.{suffix}").write_text("\n<!DOCTYPE html><html>sign in</html>")
        Path(f"words.{suffix}").write_text("just some words\n")
    with zipfile.ZipFile("archive.pth", "w") as archive:
        archive.writestr("notes.txt", "notes")
    Path("page-bom.pth").write_bytes(b"\xef\xbb\xbf<html>")
    Path("pointer.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    torch.save({"model": good, "epoch": 3}, "levels.pth")
    Path("empty.pth").touch()
    Path("folder.pth").mkdir()
    torch.save(Evil(), "evil.pth")
    torch.save(Evil(), "evil-legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(training(good, args=argparse.Namespace(x=Foreign())), "evil-options.pth")
    torch.save(net(), "module.pth")
    torch.save([1, 2], "list.pth")
    torch.save({**good, "epoch": 3}, "numbers.pth")
    torch.save({"state_dict": {}}, "nothing.pth")
    lightning = {"pytorch-lightning_version": "2.1.0", "state_dict": prefixed(good, "model.")}
    torch.save({**lightning, "hyper_parameters": {"lr": 0.1}}, "lightning.ckpt")
    torch.save({**good, "3.weight": torch.zeros(1)}, "more.pth")
    torch.save({k: v for k, v in good.items() if k != "0.bias"}, "less.pth")
    torch.save({"layer.weight": torch.zeros(3)}, "other.pth")
    classes = {"2.weight": torch.zeros(7, 4), "2.bias": torch.zeros(7)}
    torch.save({**good, **classes}, "classes.pth")
    torch.save({**good, "0.weight": torch.zeros(4, 5)}, "wide.pth")
    odd = {
        "sparse": torch.zeros(4, 3).to_sparse(),
        "complex": torch.zeros(4, 3, dtype=torch.complex64),
        "float8": torch.zeros(4, 3).to(torch.float8_e4m3fn),
        "meta": torch.zeros(4, 3, device="meta"),
        "huge": torch.full((4, 3), 1e300, dtype=torch.float64),
    }
    for name, value in odd.items():
        torch.save({**good, "0.weight": value}, f"{name}.pth")
    torch.save({key: value.long() for key, value in good.items()}, "whole.pth")
    torch.save({**good, "2.bias": torch.tensor(1.0)}, "scalar.pth")
    torch.save({**good, "1.running_var": torch.full((4,), -1.0)}, "negative.pth")
    torch.save({**good, "1.running_var": torch.full((4,), torch.nan)}, "nan.pth")
    torch.save({**good, "0.weight": torch.full((4, 3), 1e6).half()}, "overflow.pth")


def test_refused_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _write_refused()
    for name, words in REFUSED.items():
        taken = net()
        before = {key: value.clone() for key, value in taken.state_dict().items()}
        with pytest.raises(WeightsError) as told:
            fill(taken, read_weights(Path(name)))
        said = str(told.value)
        assert name in said
        assert words in said, said
        assert "\n" not in said
        assert all(torch.equal(value, before[key]) for key, value in taken.state_dict().items())
    assert not Path("ran").exists()


def test_weights_of_another_network_or_data_set(tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    torch.save(api.load_model("mc3", weights="random", device="cpu").net.state_dict(), path)
    with pytest.raises(WeightsError, match=r"has other shapes for layer2\.0\.conv1\.0\.weight"):
        api.load_model("r3d", weights=str(path))
    with pytest.raises(WeightsError, match=r"lacks base_model\.conv1\.weight"):
        api.load_model("tsm", weights=str(path))
    state = api.load_model("tsm", "epic-kitchens-verb", weights="random").net.state_dict()
    state["fc_verb.weight"], state["fc_verb.bias"] = torch.zeros(97, 2048), torch.zeros(97)
    torch.save(state, path)
    with pytest.raises(WeightsError, match="it has 97 classes where the network has 125"):
        api.load_model("tsm", "epic-kitchens-verb", weights=str(path))


def test_a_file_in_the_cache_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    random = api.load_model("mc3", weights="random", device="cpu")
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    path = folder / "mc3_18-a90a0ba3.pth"
    torch.save(random.net.state_dict(), path)
    for classifier in (
        api.load_model("mc3", "kinetics", weights="auto", device="cpu"),
        api.load_model("mc3", weights="kinetics400_v1", device="cpu"),
        api.load_model("mc3", weights_dir=str(folder), device="cpu"),
        api.load_model("mc3", weights=str(path), device="cpu"),
    ):
        assert torch.equal(classifier.net.fc.weight, random.net.fc.weight)  # type: ignore[union-attr,arg-type]
        assert classifier.weights_sha256 == file_sha256(path)
        assert classifier.class_names[231:233] == ("playing flute", "playing guitar")


def test_a_cached_file_that_is_not_the_published_one_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mc3_18-a90a0ba3.pth"
    torch.save(api.load_model("mc3", weights="random", device="cpu").net.state_dict(), path)
    api.load_model("mc3", weights_dir=str(tmp_path), device="cpu")
    (record,) = caplog.records
    assert f"{path} is not the file published at https://" in record.getMessage()


def test_where_weights_are_found_makes_no_other_job(tmp_path: Path) -> None:
    """``auto``, the name and the path of one file are one job."""
    config = {
        "choices": {"model": "mc3", "method": "grad"},
        "pretrain_dataset": {"name": "kinetics"},
        "method": {"batch_size": 2},
        "data": {},
        "target": "label",
        "metrics": {},
    }
    path = tmp_path / "mc3_18-a90a0ba3.pth"
    path.touch()
    found = [
        {**config, "model": catalog.model("mc3", {"weights": weights}, "kinetics")}
        for weights in ("auto", "kinetics400_v1", str(path))
    ]
    assert len({job_hash(each, "digest") for each in found}) == 1
    assert job_hash(found[0], "another") != job_hash(found[0], "digest")
    mixed = {**found[0], "precision": "bfloat16"}
    assert job_hash(mixed, "digest") != job_hash(found[0], "digest")
    quick = {**found[0], "method": {"batch_size": 16}}
    assert job_hash(quick, "digest") == job_hash(found[0], "digest")
    one, other = ({**found[0], "method": {"weights": each}} for each in (1, 2))
    assert job_hash(one, "digest") != job_hash(other, "digest"), "a method may have such a key"


@pytest.mark.parametrize("variable", ["TORCH_HOME", "XDG_CACHE_HOME", None])
def test_the_cache_is_pytorchs(monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    for each in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(each, raising=False)
    if variable:
        monkeypatch.setenv(variable, "~/elsewhere")
    assert cache_folder() == Path(torch.hub.get_dir()) / "checkpoints"
    assert cache_folder("~/mine") == Path.home() / "mine"


def test_digests(tmp_path: Path) -> None:
    path = tmp_path / "hello"
    path.write_text("hello\n")
    assert git_blob(path) == "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object
    facts: dict[str, Any] = {"url": "https://x/y", "pretrain_datasets": ["a"], "licence": "MIT"}
    assert Checkpoint(**facts).matches(path) is None
    assert Checkpoint(**facts, git_blob=git_blob(path)).matches(path)
    assert Checkpoint(**facts, sha256=file_sha256(path)[:8]).matches(path)
    path.write_text("hello")
    wrong: tuple[dict[str, Any], ...] = ({"git_blob": "0" * 40}, {"sha256": "00000000"})
    with pytest.raises(ValueError, match="is no file name: give one without a folder"):
        Checkpoint(**facts, file="/etc/anything")
    for digest in wrong:
        with pytest.raises(WeightsError, match="its digest is another"):
            Checkpoint(**facts, **digest).check(path)


def chosen(model: str, dataset: str, **changes: object) -> dict[str, Any]:
    return dict(catalog.model(model, changes, dataset))


@pytest.mark.parametrize(
    ("dataset", "weights", "name", "sampling"),
    [
        ("kinetics", "auto", "e100_dense", "dense"),
        ("kinetics", "random", "random", "dense"),
        ("kinetics", "e50", "e50", "uniform"),
        ("kinetics", "tsn_e50", "tsn_e50", "uniform"),
        ("epic-kitchens-noun", "auto", "epic_tsm", "uniform"),
        ("epic-kitchens-verb", "auto", "epic_tsm", "uniform"),
        ("epic-kitchens-verb", "epic_tsn", "epic_tsn", "uniform"),
    ],
)
def test_what_follows_from_the_weights(
    dataset: str, weights: str, name: str, sampling: str
) -> None:
    model = chosen("tsm", dataset, weights=weights)
    assert (model["weights"], model["sampling"]) == (name, sampling)
    assert (model["checkpoint"] is None) == (weights == "random")
    assert chosen("tsm", dataset, weights=weights, sampling="center")["sampling"] == "center"


def test_a_path_is_known_by_its_files_name(tmp_path: Path) -> None:
    known = catalog.section("model", "tsm")["checkpoints"]
    for name, sampling in (("e100_dense", "dense"), ("e50", "uniform")):
        path = tmp_path / known[name]["url"].rsplit("/", 1)[1]
        path.touch()
        model = chosen("tsm", "kinetics", weights=str(path))
        assert (model["sampling"], model["checkpoint"]) == (sampling, None)
    (tmp_path / "my own.pth").touch()
    own = chosen("tsm", "kinetics", weights=str(tmp_path / "my own.pth"))
    assert own["sampling"] == "uniform"


def test_names_of_weights_that_do_not_go() -> None:
    with pytest.raises(ConfigError, match="not those of pretrain_dataset=kinetics: choose e100_de"):
        chosen("tsm", "kinetics", weights="epic_tsm")
    with pytest.raises(WeightsError, match="weights= is neither a file nor a name"):
        chosen("tsm", "kinetics", weights="")
    for key in ("checkpoints", "checkpoint", "pretrain_dataset", "pretrain_datasets", "otherwise"):
        with pytest.raises(ConfigError, match=f"model.{key} cannot be given: choose with"):
            chosen("tsm", "kinetics", **{key: {}})
    with pytest.raises(WeightsError, match=r"weights=e5 is neither a file nor a name: choose e100"):
        chosen("tsm", "kinetics", weights="e5")


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="x is not a file: give the path of a weights file"):
        read_weights(tmp_path / ("x" * 300))
