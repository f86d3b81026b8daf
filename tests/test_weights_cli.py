"""The command videxplain-weights."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.commands import Run, runner
from videxplain import api, catalog, weights_cli


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    return runner("videxplain-weights", weights_cli.main, monkeypatch, capsys)


def test_list_shows_every_published_file(run: Run, tmp_path: Path) -> None:
    ran = run("list")
    assert ran.code == 0
    assert str(tmp_path / "home" / "hub" / "checkpoints") in ran.out
    for model in catalog.names("model"):
        for name, each in catalog.section("model", model).get("checkpoints", {}).items():
            (row,) = [
                line.split()
                for line in ran.out.splitlines()
                if line.split()[1:3] and line.split()[0] == model and name in line.split()
            ]
            assert each["licence"] in row
            assert "no" in row
            assert f"    {each['url']}" in ran.out
    assert "hassony2_model_rgb.pth" in ran.out


def test_list_says_what_is_here_and_whether_it_is_right(run: Run, tmp_path: Path) -> None:
    for name in ("mc3_18-a90a0ba3.pth", "TSM_kinetics_RGB_resnet50_avg_segment5_e50.pth"):
        (tmp_path / name).write_text("something else")
    listed = run("list", "--weights-dir", str(tmp_path)).out.splitlines()
    rows = {
        line.split()[0] + line.split()[2]: line.split()[-2:]
        for line in listed[2 : listed.index("")]
    }
    assert rows["mc3kinetics400_v1"] == ["yes", "DIFFERS"]
    assert rows["tsmtsn_e50"] == ["yes", "unknown"]
    assert rows["i3dhassony2"] == ["no", "published"]
    assert rows["tsme50"] == ["no", "unknown"]


def test_list_needs_no_torch() -> None:
    script = (
        "import sys; sys.argv = ['videxplain-weights', 'list']\n"
        "from videxplain import weights_cli\n"
        "weights_cli.main()\nassert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)


def test_check_says_what_a_file_fits(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    classifier = api.load_model("tsm", "epic-kitchens-noun", weights="random", device="cpu")
    torch.save({"state_dict": classifier.net.state_dict()}, path)
    ran = run("check", str(path), "--model", "tsm")
    assert ran.code == 0
    assert "fits          tsm epic-kitchens-noun, tsm epic-kitchens-verb" in ran.out
    assert "none of the files whose hash is published" in ran.out
    wrong = run("check", str(path), "--model", "r3d")
    assert wrong.code == 2
    assert "r3d kinetics: it does not fit the network: it lacks stem.0.weight" in wrong.err


@pytest.mark.slow
def test_check_tries_every_network(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "tiny.pth"
    torch.save(api.load_model("tiny_tsm", device="cpu").net.state_dict(), path)
    assert run("check", str(path)).out.splitlines()[-1].split() == ["fits", "tiny_tsm", "shapes"]
    torch.save({"weight": torch.zeros(1)}, path)
    wrong = run("check", str(path))
    assert wrong.code == 2
    assert wrong.err.count("it does not fit the network: it lacks") == len(
        [
            each
            for name in catalog.names("model")
            if name != "custom"
            for each in catalog.section("model", name)["pretrain_datasets"]
        ]
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "nowhere.pth"], "weights=nowhere.pth is not a file"),
        (["check", "page.pth"], "page.pth is a web page, not weights"),
        (["info", "i3dd"], "unknown model 'i3dd': did you mean 'i3d'"),
        (["info", "custom"], "unknown model 'custom': choose from i3d"),
        (["check", "page.pth", "--model", "custom"], "unknown model 'custom'"),
        (["info", "i3d", "--pretrain-dataset", "shapes"], "does not go with model=i3d"),
        (["fetch", "tiny_tsm"], "model=tiny_tsm has no published file to fetch"),
        (["fetch", "tsm", "--weights", "e5"], "choose e100_dense, e50, tsn_e50, auto"),
        (["fetch", "tsm", "--weights", "epic_tsm", "--pretrain-dataset", "kinetics"], "not those"),
        (["fetch", "tsm", "--weights-dir", "page.pth"], "page.pth cannot hold weights"),
        (["fetch", "mc3", "--weights-dir", "full"], "is a folder where a file shall be"),
        (["fetch", "r3d", "--pretrain-dataset", "kinetic"], "did you mean 'kinetics'"),
        (["fetch", "r3d", "--weights", "random"], "unknown weights 'random'"),
    ],
)
def test_mistakes_end_in_a_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("page.pth").write_text("<html>")
    Path("full/mc3_18-a90a0ba3.pth").mkdir(parents=True)
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.err.startswith("videxplain-weights: ")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


def test_fetch_checks_what_is_there(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mc3_18-a90a0ba3.pth"
    path.write_text("something else")
    ran = run("fetch", "mc3", "--weights-dir", str(tmp_path))
    assert ran.code == 2
    assert f"{path} is not the published file" in ran.err
    unknown = tmp_path / "TSM_kinetics_RGB_resnet50_avg_segment5_e50.pth"
    unknown.write_text("<html>")
    ran = run("fetch", "tsm", "--weights", "tsn_e50", "--weights-dir", str(tmp_path))
    assert ran.code == 2
    assert "is a web page, not weights" in ran.err
    unknown.write_text("anything")
    ran = run("fetch", "tsm", "--weights", "tsn_e50", "--weights-dir", str(tmp_path))
    assert ran.code == 0
    assert "No hash of this file is published" in ran.out


@pytest.mark.slow
def test_check_takes_any_name(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = api.load_model("tsm", weights="random", shift=False, device="cpu").net.state_dict()
    torch.save({f"module.{key}": value for key, value in state.items()}, "random")
    ran = run("check", "random")
    assert ran.out.splitlines()[-1].split() == ["fits", "tsm", "kinetics"]


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m videxplain.weights_cli list | head -1"
    ran = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("model")
    assert ran.stderr == ""


def test_info(run: Run) -> None:
    ran = run("info", "r2plus1d")
    assert "31,505,325" in ran.out
    assert "16 frames of 112 x 112 pixels" in ran.out
    assert "* layer4: 512 x 2 x 7 x 7" in ran.out
    assert "  layer1: 64 x 16 x 56 x 56" in ran.out
    ran = run("info", "tsm", "--pretrain-dataset", "epic-kitchens-noun")
    assert "24,485,405" in ran.out
    assert "* base_model.layer4: 2048 x 8 x 7 x 7" in ran.out
    assert "classes     352" in ran.out
