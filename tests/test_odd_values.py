"""Values that nothing can be made of, wherever they are given: each ends in one sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import videxplain as vx
from tests.commands import runner
from tests.test_data import write_frames
from videxplain import catalog, cli, evaluate_cli, report_cli, weights_cli
from videxplain.errors import VidexplainError

LONG, NUMBER = "x" * 300, "9" * 5000
TEXT = st.lists(
    st.sampled_from(["${", "}", "\\", "$", "a", "'", '"', "${seed}", "${oc.env:HOME}", " "])
).map("".join)


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., None]:
    """Run a command, and see it refuse."""
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "clip", ["1.png", "2.png"])

    def refused(main: Callable[[], None], arguments: tuple[str, ...], said: str) -> None:
        name = "videxplain" if main is cli.main else "videxplain-x"
        ran = runner(name, main, monkeypatch, capsys)(*arguments)
        assert ran.code == 2
        assert said in ran.err
        assert "Traceback" not in ran.err
        assert len(ran.err.strip().splitlines()) == 1

    return refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((f"videos_dir={LONG}",), "is no path that can be used (File name too long)"),
        (("videos_dir='~nobody-here/x'",), "is no path that can be used (Could not determine home"),
        ((f"outputs_dir={LONG}",), "is no path that can be used (File name too long)"),
        (("outputs_dir='~nobody-here/x'",), "is no path that can be used"),
        ((f"data.boxes={LONG}", "data=files", "videos_dir=clip"), "is no path that can be used"),
        (("model=r3d", f"weights={LONG}"), "is no path that can be used (File name too long)"),
        (("model=r3d", f"weights_dir={LONG}", "weights=auto"), "is no path that can be used"),
        (("threads=99999999999999999999",), "at least 1 and at most 1000000"),
        (("batch_size=99999999999999999999",), "at least 1 and at most 1000000"),
        (("device=cpu:99999999999",), "choose auto, cuda, cpu, mps, or cuda:<number>"),
        (("device=cpu:01",), "choose auto, cuda, cpu, mps, or cuda:<number>"),
        ((f"target='{NUMBER}'",), "unknown class"),
        (("data.choose=3",), "data.choose=3: it has keys of its own"),
        (("data.choose.otherwise=nothing",), "unknown data 'nothing'"),
        (("data=shapes", "~data._target_"), "data has no _target_: choose data=<name>"),
        (("~model._target_",), "model has no _target_: choose model=<name>"),
        (("~method._target_",), "method has no _target_: choose method=<name>"),
        (("+logger.a=1",), "logger has no _target_: choose logger=<name>"),
        (("+pretrain_dataset.name=[]",), "pretrain_dataset=[]: use letters"),
        (("+pretrain_dataset.foo=1",), "pretrain_dataset has no name"),
    ],
)
def test_on_the_command_line(
    arguments: tuple[str, ...], said: str, call: Callable[..., None]
) -> None:
    call(cli.main, ("method=center", "device=cpu", *arguments), said)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("seed: !!bool x", "makes no value (KeyError)"),
        ('seed: !!int ""', "makes no value (IndexError)"),
        ("seed: !!timestamp abc", "makes no value (AttributeError)"),
        ("x: &a [*a]", "makes no value (RecursionError)"),
        ("pretrain_dataset: shapes", "pretrain_dataset='shapes': it has keys of its own"),
        ("optimizer: {x: !!binary aGk=}", "optimizer.x=b'hi': give text, a number, true"),
        ('save_label: "\\ud800"', "save_label='\\ud800': give text"),
        ('outputs_dir: "a\\0b"', "is no path that can be used (embedded null byte)"),
        ('videos_dir: "a\\0b"', "is no path that can be used (embedded null byte)"),
        ("model: {pretrain_datasets: 3}", "model.pretrain_datasets=3: give a list of names"),
        ("model: {pretrain_datasets: []}", "use letters, digits"),
        ("model: {checkpoints: 3}", "model.checkpoints=3: "),
        ("model: {checkpoints: {a: 3}}", "model.checkpoints.a=3: "),
        ("model: {checkpoints: {a: {}}}", "model.checkpoints.a.url has no value"),
    ],
)
def test_in_a_file(written: str, said: str, call: Callable[..., None]) -> None:
    Path("mine.yaml").write_text(f"defaults: [config, _self_]\n{written}\n")
    own = ("--config-dir", ".", "--config-name", "mine")
    call(cli.main, (*own, "method=center", "device=cpu"), said)


def test_a_part_of_another_kind(call: Callable[..., None]) -> None:
    Path("data").mkdir()
    Path("data/x.yaml").write_text("_target_: videxplain.methods.center.Center\nspread: 0.3\n")
    call(cli.main, ("--config-dir", ".", "data=x"), "data is a Center: choose data=<name>")
    call(cli.main, ("--config-dir", ".", "data=x", "-m"), "data is a Center: choose data=<name>")


def test_keys_that_are_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(
        "defaults: [config, _self_]\npretrain_dataset: {name: shapes, 1: 2, true: 3}\n"
    )
    own = ("--config-dir", ".", "--config-name", "mine", "data=shapes", "data.num_clips=1")
    run = runner("videxplain", cli.main, monkeypatch, capsys)
    assert run(*own, "method=center", "device=cpu").code == 0
    assert "already done" in run(*own, "method=center", "device=cpu").out
    evaluate = runner("videxplain-evaluate", evaluate_cli.main, monkeypatch, capsys)
    assert evaluate("outputs", "metrics=[gini]", "device=cpu").code == 0
    Path("mine.yaml").write_text("defaults: [config, _self_]\nmodel: {1: 2}\n")
    for more in ((), ("-m",)):
        ran = run(*own, "method=center", "device=cpu", *more)
        assert ran.code == 2
        assert "unknown key of model '1'" in ran.err


@pytest.mark.parametrize(
    "value",
    ["metrics=!!bool x", "batch_size=0x_", f"batch_size={NUMBER}", "metrics=" + "[" * 500],
)
def test_for_an_evaluation(value: str, call: Callable[..., None]) -> None:
    call(
        evaluate_cli.main, (".", "metrics=[gini]", value), "is not understood: write it as in YAML"
    )


def test_folders_of_results(call: Callable[..., None]) -> None:
    call(report_cli.main, (LONG,), "File name too long")
    call(evaluate_cli.main, (LONG, "metrics=[gini]"), "File name too long")
    call(weights_cli.main, ("list", "--weights-dir", LONG), "File name too long")


@pytest.mark.parametrize("path", [LONG, "~nobody-here/x", "a\0b"])
def test_from_python(path: str) -> None:
    with pytest.raises(VidexplainError, match="is no path that can be used"):
        vx.read_video(path)
    with pytest.raises(VidexplainError, match="is no path that can be used"):
        vx.load_model("r3d", weights=path)


@given(TEXT)
def test_text_from_python_is_taken_as_it_is(text: str) -> None:
    """OmegaConf finds nothing in it to fill in."""
    section = catalog.section(
        "model", "custom", {"weights": text, "class_names": [text], "net": {"a": text}}
    )
    assert section["weights"] == section["net"]["a"] == text
    assert section["class_names"] == [text]
