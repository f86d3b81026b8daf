"""Files of results that hold odd values: every reader tells of them in a sentence, or goes on."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Run, runner
from tests.outputs import summary
from videxplain import cli, evaluate_cli, figure_cli, report_cli, sweep_cli
from videxplain.errors import OutputError
from videxplain.report.console import table
from videxplain.report.summary import summarise, write_summary
from videxplain.sinks.files import LARGEST, read_json, set_aside, write_json, writing
from videxplain.sinks.shards import joined
from videxplain.sinks.stored import read_clip, read_outcome
from videxplain.sinks.sweep_folder import JobState, SweepFolder
from videxplain.types import Record

SWEEP = (
    *("-m", "data=shapes", "data.num_clips=2", "method=center,random", "map_area=[0.1]"),
    *("metrics=[visible_area,insertion_auc]", "metrics.insertion_auc.steps=2", "threads=1"),
    *("logger=none", "report=false", "device=cpu"),
)
CLIP = "down-0-0000"
JOB = "outputs/results/*/*/center/*"
RESULT, RECORD = f"{JOB}/result.json", f"{JOB}/records/down-*.json"
STATE, PLAN = "outputs/sweeps/*/jobs/0.json", "outputs/sweeps/*/jobs.json"
DEEP = "[" * 2000
READERS: Mapping[str, tuple[Callable[[], None], tuple[str, ...]]] = {
    "videxplain-sweep": (sweep_cli.main, ("summary", "outputs")),
    "videxplain-report": (report_cli.main, ("outputs",)),
    "videxplain-figure": (
        figure_cli.main,
        *(("outputs", f"--clip={CLIP}", "--show=kept", "--frames=1", "--output=f.png"),),
    ),
    "videxplain-evaluate": (evaluate_cli.main, ("outputs", "metrics=[gini]", "device=cpu")),
}
Change = Callable[[Any], Any]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two jobs, in the folder to which each test brings a copy of it."""
    folder = tmp_path_factory.mktemp("done") / "here"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["videxplain", *SWEEP])
        cli.main()
    return folder.rename(folder.with_name("whole"))


@pytest.fixture
def here(done: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sweep where it was made, for its accounts name the place."""
    folder = done.with_name("here")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(done, folder)
    monkeypatch.chdir(folder)
    return folder


def put(*keys: str | int, value: Any) -> Change:  # noqa: ANN401
    """A change of one value; the last key may be new."""

    def change(told: Any) -> Any:  # noqa: ANN401
        place = told
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        return told

    return change


def gone(*keys: str | int) -> Change:
    """A change that leaves a key out."""

    def change(told: Any) -> Any:  # noqa: ANN401
        place = told
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]
        return told

    return change


def change(pattern: str, *changes: Change) -> Path:
    (path,) = Path().glob(pattern)
    told = json.loads(path.read_bytes())
    for each in changes:
        told = each(told)
    path.write_text(json.dumps(told))
    return path


def read_by(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says of what it refuses; any other error leaves it as it is."""
    main, arguments = READERS[name]
    ran = runner(name, main, monkeypatch, capsys)(*arguments)
    assert ran.code in (0, 2), ran.err
    if ran.code:
        assert ran.err.startswith(f"{name}: "), ran.err
        assert ran.err.count("\n") == 1, ran.err
    return ran.err


CURVE = ("records", 0, "curves", "insertion_auc")
NO_PATHS: tuple[Any, ...] = (0, [], {}, True)
METRIC = ("records", 0, "metrics", "insertion_auc")


@pytest.mark.parametrize(
    "odd",
    [
        put("config", "polarity", value=None),
        put("config", "polarity", value="${a}"),
        put("config", "choices", "model", value=""),
        put("config", "choices", "method", value=" "),
        put("config", "pretrain_dataset", "name", value="../x"),
        put("measures", "visible_area", value={}),
        put("measures", "visible_area", "higher_is_better", value="x"),
        put(*CURVE, value={}),
        put(*CURVE, "shares", value=[]),
        put(*CURVE, "values", value=[0.5]),
        put("records", 0, "probability", value=None),
        put("records", 0, "probability", value=float("nan")),
        *(put("records", 0, "area", value=area) for area in (0, 2, float("inf"), 10**60)),
        *(put(*METRIC, value=value) for value in (1e308, float("inf"), 10**200, True, "1")),
        put("timings", "load", value=10**200),
        put("records", 0, "clip", value="\ud800"),
        put("config", "method", "spread", value="\ud800"),
    ],
)
def test_a_result_of_another_kind_is_damaged(here: Path, odd: Change) -> None:
    del here
    path = change(RESULT, odd)
    assert read_outcome(path) is None
    assert path.with_name("result.json.corrupt").is_file()
    write_summary(Path("outputs"))


@pytest.mark.parametrize(
    "changes",
    [
        [
            gone("config", "polarity"),
            put("config", "method", "perturbation", value=[[]]),
            put("config", "choices", "folder", value=[]),
            put(*METRIC, value=10**60),
            put(*CURVE, "shares", 0, value=None),
            put(*CURVE, "more", value="x"),
        ],
        [gone("measures"), gone("timings")],
        [gone("measures"), put("records", value=[])],
        [put("records", 0, "clip", value="up-\udcff")],
    ],
)
def test_what_a_result_may_say_is_read_by_all(
    here: Path,
    changes: list[Change],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del here
    assert read_outcome(change(RESULT, *changes)) is not None
    for name in READERS:
        read_by(name, monkeypatch, capsys)


@pytest.mark.parametrize(
    "changes",
    [
        [put("config", "map_area", value=[0.1]), gone("config", "polarity")],
        [put("config", "model", "checkpoint", value={})],
        [put("config", "model", "checkpoint", value="x")],
        [put("config", "model", "checkpoint", value=[0])],
        *([put("config", "data", "videos_dir", value=each)] for each in NO_PATHS),
        *(
            [put("config", "data", "boxes", value=each)]
            for each in ("a\0b", "~nouser/x", "x" * 300)
        ),
        [put("config", "method", "x", value={"y": 10**60})],
        [put("measures", "foo", value={"higher_is_better": None})],
    ],
)
def test_a_configuration_of_another_kind_is_not_measured(
    here: Path,
    changes: list[Change],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del here
    job = change(RESULT, *changes).parent
    assert str(job) in read_by("videxplain-evaluate", monkeypatch, capsys)


def test_names_that_are_no_formula_and_no_text_are_compared(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del here
    change(RESULT, put("config", "data", "videos_dir", value="/d/$_$/\udcff"))
    ran = runner("videxplain-sweep", sweep_cli.main, monkeypatch, capsys)("compare", "outputs")
    assert ran.code == 0, ran.err
    told = Path("outputs/comparison/comparison.csv").read_text(encoding="utf-8")
    assert r"data.videos_dir=/d/$_$/\udcff" in told
    assert len(list(Path("outputs/comparison").glob("areas_*.png"))) == 2


@pytest.mark.parametrize("pattern", [RESULT, RECORD, STATE, PLAN, "outputs/groups/*.json"])
@pytest.mark.parametrize("text", [DEEP, "[" * 60 + "]" * 60, '{"a": NaN}', '"\\ud800"', "\xff"])
def test_text_that_nobody_writes_is_damaged(here: Path, pattern: str, text: str) -> None:
    (path,) = here.glob(pattern)
    path.write_bytes(text.encode("latin-1"))
    assert read_json(path) is None
    assert path.with_name(f"{path.name}.corrupt").is_file()


@pytest.mark.parametrize(
    "odd",
    [put("records", value=[]), put("records", 0, "probability", value=None)],
)
def test_a_record_of_another_kind_is_made_anew(
    here: Path, odd: Change, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run: Run = runner("videxplain", cli.main, monkeypatch, capsys)
    (path,) = here.glob(RECORD)
    whole = path.read_bytes()
    change(RECORD, odd)
    ran = run(*(each.replace(",random", "") for each in SWEEP if each != "-m"))
    assert ran.code == 0, ran.err
    assert "is damaged (" in ran.out
    assert path.read_bytes() == whole
    change(RECORD, odd)
    assert read_clip(path) is None


@pytest.mark.parametrize(
    "told", [{"error": None}, {"error": 5}, {"state": "failed", "error": " \n"}, {"state": "odd"}]
)
def test_a_status_of_any_kind_is_summarised(here: Path, told: Mapping[str, Any]) -> None:
    for job in here.glob(JOB):
        (job / "result.json").unlink()
        (job / "status.json").write_text(json.dumps(told))
    states = {row["state"] for row in summarise(Path("outputs"))}
    assert states in ({"done", "stopped"}, {"done", "failed"})


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"state": "done", "folder": "/x"}, "done"),
        ({"state": "done", "folder": "/x", "seconds": float("inf")}, "pending"),
        ({"state": "done", "folder": "/x", "seconds": "1e999"}, "pending"),
        ({"state": "done", "folder": "x" * 300}, "pending"),
        ({"state": "failed", "folder": "x/" * 3000}, "pending"),
        ({"state": "failed", "folder": "a\0b"}, "pending"),
        ({"state": "failed", "error": "/up-\udcff is no video"}, "failed"),
    ],
)
def test_an_account_of_any_kind_is_summarised(
    here: Path, told: Mapping[str, Any], state: str
) -> None:
    change(STATE, lambda _: told)
    (folder,) = here.glob("outputs/sweeps/*")
    write_summary(folder)
    assert summary()[0]["state"] == state


def test_a_plan_may_say_more(here: Path) -> None:
    change(PLAN, put(0, "choices", "area", value="x"), gone(0, "choices", "method"))
    (folder,) = here.glob("outputs/sweeps/*")
    write_summary(folder)
    assert [row["method"] for row in summary()] == ["center", "center", "random", "random"]


def test_a_folder_that_is_no_text_is_summarised(tmp_path: Path) -> None:
    folder = SweepFolder(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    folder.write_plan([])
    place = JobState("failed", str(folder.path), "no")
    folder.write_state(0, place)
    plan = folder.path / "jobs.json"
    plan.write_text('[{"overrides": ["a=b"], "choices": {}}]')
    text = write_summary(folder.path).read_text(encoding="utf-8")
    assert r"/\udcff" in text


def test_outputs_in_a_folder_that_is_no_text_are_read(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    shutil.copytree(here, odd)
    monkeypatch.chdir(odd)
    for name in READERS:
        assert read_by(name, monkeypatch, capsys) == ""
    ran = runner("videxplain-sweep", sweep_cli.main, monkeypatch, capsys)("compare", "outputs")
    assert ran.code == 0, ran.err


def test_shares_that_do_not_know_the_same_are_joined() -> None:
    config: dict[str, Any] = {"data": {}}
    shares: list[dict[str, Any]] = [
        {"config": config, "records": [{"clip": "a"}]},
        {"config": config, "records": [{"clip": "b"}], "timings": {"load": 1.0}},
        {"config": config, "records": [{"clip": "c"}], "timings": {"load": 1.0, "explain": 2.0}},
    ]
    assert joined(shares)["timings"] == {"load": 2.0, "explain": 2.0}


def test_shares_of_other_metrics_are_summarised(here: Path) -> None:
    (job,) = here.glob(JOB)
    whole = json.loads((job / "result.json").read_text())
    (job / "result.json").unlink()
    (job / "status.json").unlink()
    for number, row in enumerate(whole["records"][::2], 1):
        metrics = {f"own {number}": 0.5, "overrides": 0.25}
        own = {**whole, "records": [{**row, "metrics": metrics, "curves": {}}]}
        write_json(job / "shards" / f"{number}-of-2" / "result.json", own)
    rows = summarise(job)
    assert [row["own 1"] for row in rows] == [row["own 2"] for row in rows] == [0.5]
    assert [row["metric overrides"] for row in rows] == [0.25]
    write_summary(job)


def test_numbers_too_large_to_reckon_with() -> None:
    record = Record("a", None, None, "b", "c", 0.5, {f"m{number}": 1e308 for number in range(9)})
    assert "m8" in table([record, record])


def test_numbers_too_large_to_keep(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1e308, "b": -1e308, "c": LARGEST, "d": 10**60})
    assert read_json(tmp_path / "a.json") == {"a": None, "b": None, "c": LARGEST, "d": 10**60}


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "\ud800"])
def test_a_place_that_cannot_be_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_json(tmp_path / name, {})
    with pytest.raises(OutputError, match="cannot be written"):
        set_aside(tmp_path / name, "it is odd")
    with pytest.raises(OutputError, match="cannot be"):
        read_json(tmp_path / name)
    with pytest.raises(ValueError, match="literal"), writing(tmp_path / "a"):
        int("of what is written")
