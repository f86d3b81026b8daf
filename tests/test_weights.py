"""Weights files: what loads, what is refused, and a machine without a network."""

import os
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from videxplain import api
from videxplain.errors import WeightsError
from videxplain.models.weights import cached_file, file_sha256, load_weights


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch ran",)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_saved_weights_load(tmp_path: Path, suffix: str) -> None:
    given, taken = net(), net()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(given.state_dict(), path)
    else:
        save_file(given.state_dict(), path)
    assert load_weights(taken, path) == file_sha256(path)
    assert torch.equal(taken[0].weight, given[0].weight)  # type: ignore[index]


def test_refused_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    good = net().state_dict()
    torch.save(good, "good.pth")
    Path("cut.pth").write_bytes(Path("good.pth").read_bytes()[:300])
    Path("page.pth").write_text("<html>not found</html>")
    Path("empty.pth").touch()
    Path("folder.pth").mkdir()
    Path("page.safetensors").write_text("<html>")
    torch.save(Evil(), "evil.pth")
    torch.save([1, 2], "list.pth")
    torch.save({**good, "2.weight": torch.zeros(1)}, "more.pth")
    torch.save({k: v for k, v in good.items() if k != "0.bias"}, "less.pth")
    torch.save({**good, "1.weight": torch.zeros(7, 4)}, "classes.pth")
    said = {
        "cut.pth": "not a file of weights",
        "page.pth": "not a file of weights",
        "empty.pth": "not a file of weights",
        "page.safetensors": "not a file of weights",
        "folder.pth": "is not a file",
        "nowhere.pth": "is not a file",
        "evil.pth": "not a file of weights",
        "list.pth": "holds no plain state_dict",
        "more.pth": "has unknown 2.weight",
        "less.pth": "lacks 0.bias",
        "classes.pth": "has other shapes for 1.weight",
    }
    for name, words in said.items():
        taken = net()
        before = taken[0].weight.clone()  # type: ignore[index]
        with pytest.raises(WeightsError, match=words):
            load_weights(taken, Path(name))
        assert torch.equal(taken[0].weight, before)  # type: ignore[index]
    assert not Path("ran").exists()


def test_no_network_is_told_within_seconds(tmp_path: Path) -> None:
    start = time.perf_counter()
    with pytest.raises(WeightsError) as told:
        cached_file("https://localhost:1/models/net-0123abcd.pth", str(tmp_path))
    assert time.perf_counter() - start < 5
    assert "curl -fLO https://localhost:1/models/net-0123abcd.pth" in str(told.value)
    assert str(tmp_path) in str(told.value)
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_cache_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    random = api.load_model("mc3", weights="random", device="cpu")
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    path = folder / "mc3_18-a90a0ba3.pth"
    torch.save(random.net.state_dict(), path)
    for classifier in (
        api.load_model("mc3", "kinetics", weights="auto", device="cpu"),
        api.load_model("mc3", weights_dir=str(folder), device="cpu"),
        api.load_model("mc3", weights=str(path), device="cpu"),
    ):
        assert torch.equal(classifier.net.fc.weight, random.net.fc.weight)  # type: ignore[union-attr,arg-type]
        assert classifier.weights_sha256 == file_sha256(path)
        assert classifier.class_names[231:233] == ("playing flute", "playing guitar")
