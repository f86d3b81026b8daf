"""What SECURITY.md promises, tried."""

import json
import os
import pickle
import shutil
import stat
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.commands import Run, runner
from tests.strategies import bounded
from tests.test_data import write_frames
from tests.videos import write_video
from videxplain import cli, config, evaluate_cli
from videxplain.errors import OutputError, WeightsError
from videxplain.models.checkpoints import Checkpoint
from videxplain.models.weights import fill, read_weights
from videxplain.sinks.disk import load_attribution
from videxplain.sinks.files import clip_slug, write_json, write_whole

BYPASSES = [
    "os.system",
    "posix.system",
    "logging.os.system",
    "builtins.eval",
    "builtins.open",
    "subprocess.run",
    "subprocess.Popen",
    "pickle.loads",
    "runpy.run_path",
    "yaml.unsafe_load",
    "shutil.rmtree",
    "pathlib.Path.write_text",
    "joblib.load",
    "torch.load",
    "code.InteractiveInterpreter",
    "hydra.utils.instantiate",
]
PLACES = ["method", "model", "data", "metrics.visible_area", "logger", "method.inner", "model.x.y"]
ONE_CLIP = ("data=shapes", "data.num_clips=1", "method=center", "metrics=[visible_area]")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("videxplain-evaluate", evaluate_cli.main, monkeypatch, capsys)


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a module leaves that is imported; it can be."""
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef go(**_): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "ran"


@pytest.mark.parametrize("target", BYPASSES)
def test_bypasses_are_refused_on_the_command_line(run: Run, target: str) -> None:
    ran = run(*ONE_CLIP, f"method._target_={target}")
    assert ran.code == 2
    assert f"method._target_='{target}' lies outside videxplain: a configuration may" in ran.err
    assert "plugins=[" not in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_looked_at_before_anything_is_imported(
    run: Run, evil: Path, place: str
) -> None:
    ran = run(*ONE_CLIP, f"++{place}._target_=evil.go")
    assert ran.code == 2
    assert f"{place}._target_='evil.go' lies outside videxplain: if you wrote it, add" in ran.err
    assert not evil.exists()
    assert "evil" not in sys.modules


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of one job."""
    root = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(sys, "argv", ["videxplain", *ONE_CLIP, "report=false"])
        cli.main()
    return root / "outputs"


def forged(saved: Path, to: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Outputs as somebody else may send them: the folder's name says that nothing was changed."""
    outputs = Path(shutil.copytree(saved, to / "outputs"))
    (path,) = outputs.glob("results/*/*/*/*/result.json")
    outcome = json.loads(path.read_text())
    change(outcome["config"])
    path.write_text(json.dumps(outcome))
    path.parent.rename(
        path.parent.with_name(config.job_hash(outcome["config"], outcome["weights_sha256"]))
    )
    return outputs


@pytest.mark.parametrize("place", ["method", "model", "data"])
@pytest.mark.parametrize("target", ["evil.go", "joblib.load"])
def test_targets_are_refused_in_a_saved_configuration(  # noqa: PLR0913
    saved: Path, evaluate: Run, evil: Path, tmp_path: Path, place: str, target: str
) -> None:
    outputs = forged(saved, tmp_path, lambda told: told[place].update(_target_=target))
    ran = evaluate(str(outputs), "metrics=[gini]")
    assert ran.code == 2
    assert f"{place}._target_='{target}' lies outside videxplain" in ran.err
    assert ("plugins=[" in ran.err) == (target == "evil.go"), "what is nobody's own"
    assert not evil.exists()


def test_a_saved_configuration_allows_nothing(
    saved: Path, evaluate: Run, evil: Path, tmp_path: Path
) -> None:
    def change(told: dict[str, Any]) -> None:
        told["plugins"] = ["evil"]
        told["data"]["_target_"] = "evil.go"

    ran = evaluate(str(forged(saved, tmp_path, change)), "metrics=[gini]")
    assert ran.code == 2
    assert "lies outside videxplain" in ran.err
    assert not evil.exists()


def test_a_saved_configuration_fetches_nothing(saved: Path, evaluate: Run, tmp_path: Path) -> None:
    """Or it could put any file from any server into any folder."""
    (tmp_path / "home").mkdir()
    published = {"url": "https://localhost:1/x", "pretrain_datasets": ["kinetics"], "licence": "-"}

    def change(told: dict[str, Any]) -> None:
        told["model"] = {
            "_target_": "videxplain.models.tsm.tsm",
            "pretrain_dataset": "kinetics",
            "weights": "e50",
            "weights_dir": str(tmp_path / "home"),
            "frames": 8,
            "sampling": "uniform",
            "checkpoint": {**published, "file": "authorized_keys"},
        }

    ran = evaluate(str(forged(saved, tmp_path, change)), "metrics=[gini]")
    assert ran.code == 2
    assert "home/authorized_keys is no file: fetch them, or explain" in ran.err
    assert not list((tmp_path / "home").iterdir())


@pytest.mark.parametrize(
    "names",
    [
        {"url": "https://a/b.pth", "file": "../b.pth"},
        {"url": "https://a/b.pth", "file": "/b.pth"},
        {"url": "https://a/b.pth", "file": ".bashrc"},
        {"url": "https://a/.bashrc"},
        {"url": "https://a/"},
        {"url": "https://a/.."},
    ],
)
def test_a_published_file_stays_in_its_folder(names: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is no file name: give one without a folder"):
        Checkpoint(**names, pretrain_datasets=("shapes",), licence="MIT")


def protocol_0(ran: str) -> bytes:
    return f"cos\nsystem\n(S'touch {ran}'\ntR.".encode()


def instance(ran: str) -> bytes:
    return f"(S'touch {ran}'\nios\nsystem\n.".encode()


def by_name_on_the_stack(ran: str) -> bytes:
    body = pickle.dumps(f"touch {ran}", 4)[2:-1]
    return b"\x80\x04\x8c\x02os\x8c\x06system\x93" + body + b"\x85R."


def through_getattr(ran: str) -> bytes:
    return (
        f"cbuiltins\ngetattr\n(cos\n__dict__\nS'get'\ntR(S'system'\ntR(S'touch {ran}'\ntR.".encode()
    )


PICKLES = [protocol_0, instance, by_name_on_the_stack, through_getattr]


@pytest.mark.parametrize("pickled", PICKLES)
@pytest.mark.parametrize("packed", ["bare", "zip", "safetensors"])
def test_checkpoints_run_no_code(
    tmp_path: Path, pickled: Callable[[str], bytes], packed: str
) -> None:
    data, path = pickled(str(tmp_path / "ran")), tmp_path / "net.pth"
    if packed == "zip":
        torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "good.pth")
        with zipfile.ZipFile(tmp_path / "good.pth") as good, zipfile.ZipFile(path, "w") as bad:
            for name in good.namelist():
                bad.writestr(name, data if name.endswith("data.pkl") else good.read(name))
    else:
        path = path.with_suffix(".safetensors") if packed == "safetensors" else path
        path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"net\.\w+ (holds|is no readable)"):
        fill(nn.Linear(2, 2), read_weights(path))
    assert not (tmp_path / "ran").exists()


def test_the_pickles_would_run(tmp_path: Path) -> None:
    """So that the test above can fail."""
    for pickled in PICKLES:
        pickle.loads(pickled(str(tmp_path / "ran")))
        (tmp_path / "ran").unlink()


class Touches:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_results_run_no_code(tmp_path: Path) -> None:
    values = np.array([Touches(tmp_path / "ran")], dtype=object)
    np.savez(tmp_path / "a.npz", values=values, allow_pickle=True)
    with pytest.raises(OutputError, match=r"a\.npz cannot be read"):
        load_attribution(tmp_path / "a.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "value", ["!!python/object/apply:os.system ['touch ran']", "!!python/name:os.system", "!x 1"]
)
def test_yaml_runs_no_code(run: Run, saved: Path, evaluate: Run, value: str) -> None:
    Path("mine.yaml").write_text(f"defaults: [config, _self_]\nsave_label: {value}\n")
    ran = run("--config-dir", ".", "--config-name", "mine")
    assert ran.code == 2
    assert "is not understood as YAML" in ran.err
    ran = evaluate(str(saved), "metrics=[gini]", f"metrics.gini.polarity={value}")
    assert ran.code == 2
    assert "is not understood" in ran.err
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--experimental-rerun", "reads a pickle, which can run code"),
        ("--exp", "'--exp' is no option"),  # as argparse would take it
    ],
)
def test_a_pickled_configuration_is_not_read(
    option: str, said: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "config.pickle").write_bytes(protocol_0("ran"))
    ran = run(option, "config.pickle")
    assert ran.code == 2
    assert said in ran.err
    assert not Path("ran").exists()


NAMES = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        ["../" * 9 + "x", "/etc/x", "a\0b", "..", ".", "", "~", "x" * 255, "CON", "-rf"]
    ),
)


@bounded(200)
@given(name=NAMES)
def test_no_name_leads_out_of_a_folder(name: str) -> None:
    slug = clip_slug(name)
    assert Path(slug).name == slug
    assert len(slug.encode()) <= 90
    assert slug.isprintable()
    assert slug[0] not in ".-"


@bounded(100)
@given(names=st.lists(NAMES, min_size=2, max_size=2, unique=True))
def test_two_names_are_two_files(names: list[str]) -> None:
    assert clip_slug(names[0]) != clip_slug(names[1])


@pytest.mark.parametrize("name", ["../method/grad", "../../x/grad", "sub/grad"])
def test_no_choice_leads_out_of_the_outputs(run: Run, tmp_path: Path, name: str) -> None:
    own = tmp_path / "own" / "method" / name
    own.parent.mkdir(parents=True, exist_ok=True)
    own.with_suffix(".yaml").write_text("_target_: videxplain.methods.center.Center\n")
    ran = run("--config-dir", "own", *ONE_CLIP, f"method={name}")
    assert ran.code == 2
    assert not list(tmp_path.rglob("result.json"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("method: 3", "method=3: it has keys of its own, give method.<key>=<value>"),
        ("metrics: null", "metrics=None: it has keys of its own"),
        ("metrics: {gini: 7}", "metrics.gini=7: it has keys of its own"),
        ("metrics: {mine: {a: 1}}", "metrics.mine is no metric: add its name to metrics=[...]"),
        ("data: {1e999: 1}", "unknown key of data 'inf'"),
        ("seed: [1", "mine.yaml, line 3, is not understood as YAML (expected ',' or ']'"),
        ("seed: 1\nseed: 2", "mine.yaml, line 3, is not understood as YAML (found duplicate key"),
        ("save_label: '\xff'", "a file is not text in UTF-8 ('utf-8' codec"),
        ("defaults: [config, 3]", "a file's `defaults`"),
    ],
)
def test_files_that_make_no_configuration(run: Run, line: str, said: str) -> None:
    start = "" if line.startswith("defaults") else "defaults: [config, _self_]\n"
    Path("mine.yaml").write_bytes(f"{start}{line}\n".encode("latin-1"))
    ran = run("--config-dir", ".", "--config-name", "mine", "data=shapes")
    assert ran.code == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_names_of_any_bytes(run: Run, tmp_path: Path) -> None:
    for name in (b"new\nline-1", b"x" * 255):
        write_frames(tmp_path / "v" / os.fsdecode(name), ["1.png"])
    ran = run("videos_dir=v", "method=center", "metrics=[]", "target=predicted")
    assert ran.code == 0, ran.err
    assert len(list(Path("outputs").glob("results/*/*/*/*/records/*.json"))) == 2
    write_video(tmp_path / "a.mp4", 4).rename(tmp_path / "v" / os.fsdecode(b"\xff.mp4"))
    ran = run("videos_dir=v", "method=center")
    assert ran.code == 2
    assert "xff.mp4' is no text in this locale: rename it" in ran.err.replace("\\udc", "\\x")


def test_a_link_in_the_place_of_a_file_is_replaced(run: Run, tmp_path: Path) -> None:
    """Whatever it leads to stays."""
    assert run(*ONE_CLIP, "report=false").code == 0
    victim = tmp_path / "victim"
    victim.write_text('{"jobs": [], "records": []}')
    files = [each for each in Path("outputs").rglob("*") if each.suffix not in ("", ".lock")]
    assert {"result.json", "status.json", "job.log", "default.json"} <= {x.name for x in files}
    for path in files:
        path.unlink()
        path.symlink_to(victim)
    ran = run(*ONE_CLIP, "report=false", "overwrite=true")
    assert victim.read_text() == '{"jobs": [], "records": []}'
    assert ran.code == 0, ran.err


def test_files_on_their_way_are_private(tmp_path: Path) -> None:
    seen: list[Path] = []

    def write(temporary: Path) -> None:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        seen.append(temporary)
        temporary.write_text("whole")

    write_whole(tmp_path / "a.json", write)
    assert (tmp_path / "a.json").read_text() == "whole"
    assert not seen[0].exists()
    write_json(tmp_path / "b.json", {"a": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]
