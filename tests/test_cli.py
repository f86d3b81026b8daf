"""The command line: what a run leaves, and that every mistake ends in one sentence."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands import Run, runner
from tests.test_data import write_frames
from tests.videos import write_video
from videxplain import cli, config


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


def job_folder(root: Path = Path("outputs")) -> Path:
    (found,) = root.glob("results/*/*/*/*")
    return found


def test_a_run_leaves_what_the_design_says(run: Run) -> None:
    ran = run("num_iter=4", "perturb_area=[0.05,0.2]", "save_label=first")
    assert ran.code == 0
    assert ran.out.count("LOST") + ran.out.count("kept  ") >= 4
    folder = job_folder()
    assert folder.parts[-4:-1] == ("shapes", "tiny_tsm", "step")
    result = json.loads((folder / "result.json").read_text())
    assert {key: result[key] for key in ("format", "state", "reason")} == {
        "format": config.FORMAT,
        "state": "done",
        "reason": None,
    }
    assert len(result["records"]) == 4
    assert {
        "clip",
        "area",
        "label",
        "target",
        "prediction",
        "probability",
        "metrics",
        "curves",
    } == set(result["records"][0])
    assert json.loads((folder / "status.json").read_text()) == {"state": "done"}
    group = json.loads(Path("outputs/groups/first.json").read_text())
    assert group["jobs"] == [folder.relative_to("outputs").as_posix()]
    archives = sorted((folder / "attributions").iterdir())
    assert len(archives) == len(list((folder / "records").iterdir())) == 2
    with np.load(archives[0]) as archive:
        assert archive["values"].shape == (2, 1, 16, 64, 64)
        assert archive["values"].dtype == np.float16
        assert archive["areas"].tolist() == [0.05, 0.2]
        assert archive["curve_energy"].shape == (2, 4)
    (first, _) = sorted(Path("outputs/clips").iterdir())
    with np.load(first) as archive:
        assert archive["pixels"].shape == (16, 64, 64, 3)
    for suffix in ("png", "webp"):
        pictures = sorted((folder / "figures").glob(f"*.{suffix}"))
        assert len(pictures) == 4
        with Image.open(pictures[0]) as picture:
            assert (getattr(picture, "n_frames", 1) > 1) == (suffix == "webp")
    leftovers = [path for path in Path("outputs").rglob("*") if path.name.startswith(".")]
    assert not leftovers


def test_gradients_are_kept_whole(run: Run) -> None:
    assert run("method=grad").code == 0
    (archive, _) = (job_folder() / "attributions").iterdir()
    with np.load(archive) as arrays:
        assert arrays["values"].shape == (1, 3, 16, 64, 64)
        assert arrays["values"].dtype == np.float32
        assert arrays["values"].min() < 0
        assert arrays["areas"].shape == (0,)


def test_what_is_done_is_not_done_again(run: Run) -> None:
    run("num_iter=2", "method=3d_ep")
    folder = job_folder()
    kept = sorted((folder / "attributions").iterdir())
    before = [path.stat().st_mtime_ns for path in kept]
    again = run("num_iter=2", "method=3d_ep")
    assert again.code == 0
    assert "LOST" in again.out or "kept" in again.out
    assert [path.stat().st_mtime_ns for path in kept] == before
    (folder / "result.json").unlink()
    (folder / "records").joinpath(kept[0].stem + ".json").unlink()
    run("num_iter=2", "method=3d_ep", "batch_size=1")
    after = [path.stat().st_mtime_ns for path in kept]
    assert after[0] > before[0]
    assert after[1] == before[1]
    run("num_iter=2", "method=3d_ep", "overwrite=true")
    assert kept[1].stat().st_mtime_ns > before[1]


def test_a_new_clip_in_the_folder_is_explained_too(run: Run, tmp_path: Path) -> None:
    write_frames(tmp_path / "v" / "up-1", ["1.png"])
    assert run("videos_dir=v", "method=grad").code == 0
    write_frames(tmp_path / "v" / "down-2", ["1.png"])
    ran = run("videos_dir=v", "method=grad")
    assert "down-2" in ran.out
    assert "explaining 2 clips with grad, tiny_tsm on cpu; 1 of them there already" in ran.out
    assert len(json.loads((job_folder() / "result.json").read_text())["records"]) == 2


@pytest.mark.parametrize("option", [["--cfg", "job"], ["-c", "job"], ["--info", "all"], ["-i"]])
def test_options_stand_anywhere(option: list[str]) -> None:
    for place in range(3):
        given = ["method=step", "seed=1"]
        given[place:place] = option
        assert cli._options_first(given) == [*option, "method=step", "seed=1"]


def test_a_checkout_may_be_called_as_the_package(tmp_path: Path) -> None:
    checkout = tmp_path / "videxplain"
    for name in ("videxplain", "conf"):
        shutil.copytree(Path(__file__).parents[1] / name, checkout / name)
    ran = subprocess.run(
        [sys.executable, "-m", "videxplain", "--cfg", "job"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "num_iter: 400" in ran.stdout


def test_clips_without_label_are_told_in_one_line(run: Run, tmp_path: Path) -> None:
    for number in range(5):
        write_frames(tmp_path / "v" / f"clip{number}", ["1.png"])
    ran = run("videos_dir=v", "method=center")
    told = [line for line in ran.out.splitlines() if "label:" in line]
    assert told == ["clip0, clip1, clip2 and 2 more have no label: their predictions are explained"]
    (tmp_path / "w").mkdir()
    (tmp_path / "v" / "clip0").rename(tmp_path / "w" / "clip0")
    ran = run("videos_dir=w", "method=center")
    assert "explaining 1 clip with" in ran.out
    assert "clip0 has no label: its prediction is explained" in ran.out


def test_keys_that_the_method_does_not_read_make_no_new_job(run: Run) -> None:
    run("method=grad")
    run("method=grad", "num_iter=7", "batch_size=1")
    job_folder()  # exactly one
    run("method=grad", "target=predicted")
    assert len(list(Path("outputs").glob("results/*/*/*/*"))) == 2


def test_videos_of_ones_own(run: Run, tmp_path: Path) -> None:
    videos = tmp_path / "my videos"
    write_frames(videos / "up left-1", [f"{i}.png" for i in range(20)], size=(90, 50))
    write_video(videos / "clip.mp4", 30)
    ran = run(f"videos_dir='{videos}'", "method=3d_ep", "num_iter=2")
    assert ran.code == 0, ran.err
    records = json.loads((job_folder() / "result.json").read_text())["records"]
    assert [record["label"] for record in records] == [None, "up left"]
    assert [record["clip"] for record in records] == ["clip.mp4", "up left-1"]
    assert records[0]["target"] == records[0]["prediction"]
    assert "clip.mp4 has no label" in (job_folder() / "job.log").read_text()


@pytest.mark.parametrize(
    ("target", "wanted"), [("down left", "down left"), ("2", "up"), ("DOWN_LEFT", "down left")]
)
def test_target_by_name_or_index(run: Run, target: str, wanted: str) -> None:
    assert (
        run(f"target='{target}'" if " " in target else f"target={target}", "method=grad").code == 0
    )
    records = json.loads((job_folder() / "result.json").read_text())["records"]
    assert {record["target"] for record in records} == {wanted}


MISTAKES = {
    "missing folder": (["videos_dir=nowhere"], "videos_dir=nowhere does not exist: give"),
    "empty folder": (["videos_dir=empty"], "holds no video: give a folder"),
    "truncated mp4": (["videos_dir=cut.mp4"], "cut.mp4 cannot be opened as a video"),
    "text named mp4": (["videos_dir=text.mp4"], "text.mp4 cannot be opened as a video"),
    "one pixel": (["videos_dir=pixel"], "frames of 1 x 1 pixels: give at least 8"),
    "huge frame": (["videos_dir=huge"], "frames of 9000 x 9000 pixels: give"),
    "no picture": (["videos_dir=broken"], "is not a readable picture"),
    "no option": (["--device", "cpu"], "'--device' is no option: write key=value or group=name"),
    "half a number": (["-1nan"], "'-1nan' is no option: write key=value"),
    "half an option": (["--cfg"], "--cfg/-c: expected one argument: videxplain --hydra-help"),
    "unknown label": (
        ["videos_dir=upp-1"],
        "the label 'upp' of 'upp-1' is none of the network's classes (did you mean 'up'? ",
    ),
    "labels of another data set": (
        ["model=r3d", "weights=random"],
        "the label 'down' of 'down-0-0000' is none of the network's classes (did you mean ",
    ),
    "unknown target": (["target=upleft"], "unknown class 'upleft': did you mean 'up left'"),
    "target out of range": (["target=8"], "class index 8 does not exist: give one from 0 to 7"),
    "a number for a path": (["videos_dir=2024"], "videos_dir=2024: give a path"),
    "a file of another kind": (["videos_dir=notes.wmv"], "notes.wmv cannot be opened as a video"),
    "half precision": (
        ["precision=float16"],
        "unknown precision 'float16': did you mean 'bfloat16'",
    ),
    "device 0": (["device=0"], "device=0: give auto, cuda, cpu, mps"),
    "no plugins": (["plugins=null"], "plugins=None: give a list"),
    "negative seed": (["seed=-1"], "data.seed=-1: input should be greater than or equal to 0"),
    "a word for a seed": (["seed=true"], "seed=True: give a whole number"),
    "overwrite maybe": (["overwrite=maybe"], "overwrite='maybe': give true or false"),
    "keys of auto": (
        ["data.num_clips=1"],
        "data.num_clips is no key of data=auto: add data=shapes",
    ),
    "added keys of auto": (["+data.num_clips=1"], "no key of data=auto: add data=shapes"),
    "misspelt keys of auto": (
        ["data.num_clip=1"],
        "unknown key of data 'num_clip': did you mean 'num_clips'",
    ),
    "a method removed": (
        ["~method"],
        "~method leaves method without a value: leave it out for the default, or give method=",
    ),
    "a method removed by name": (["~method=step"], "~method=step leaves method without a value"),
    "a root key removed": (["~num_iter"], "leave it out for the default, or give num_iter=<value>"),
    "metrics removed": (["~metrics"], "or give metrics=[]"),
    "a logger removed": (["~logger"], "or give logger=none"),
    "no method at all": (["method=null"], "method=null leaves method without a value"),
    "the default data set": (["pretrain_dataset=null"], "leave it out for the default"),
    "a removal of nothing": (["~method.sigma"], "~method.sigma removes nothing: leave it out"),
    "a reference to nothing": (["save_label=${nme}"], "save_label refers to 'nme'"),
    "a space after a comma": (
        ["method=step,", "grad"],
        "'method=step,' ends in a comma: leave no space after it, as in method=step,grad",
    ),
    "a word": (["step"], "'step' is not understood: write key=value or group=name"),
    "an open bracket": (["method.sigma=[1"], "'method.sigma=[1' is not understood: "),
    "several methods": (
        ["method=grad,step"],
        "method=grad,step gives several values: add -m, and each makes a job",
    ),
    "several methods, spaced": (["method=step, grad"], "method=step, grad gives several values"),
    "several areas": (
        ["perturb_area=0.1,0.2"],
        "add -m, and each makes a job; or write perturb_area=[0.1,0.2], one list for one job",
    ),
    "a list of methods": (
        ["method=[step,grad]"],
        "method=[step,grad]: give one name, or several with -m, as in -m method=step,grad",
    ),
    "words for a launcher": (
        ["hydra/launcher=joblib", "hydra.launcher.n_jobs=two"],
        "hydra.launcher.n_jobs=two: give a whole number",
    ),
    "no such file": (["--config-name", "nope"], "unknown configuration file 'nope'"),
    "an optimizer's name": (
        ["optimizer=sgd"],
        "optimizer='sgd': give its keys, as in optimizer.learning_rate=0.1; "
        "perturb=paper or perturb=quick chooses one",
    ),
    "one beta": (["optimizer.betas=[0.5]"], "optimizer.betas=[0.5]: give at least 2 values"),
    "no beta": (["optimizer.betas=[]"], "optimizer.betas=[]: give at least 2 values\n"),
    "three betas": (
        ["optimizer.betas=[.5,.6,.7]"],
        "optimizer.betas=[0.5, 0.6, 0.7]: give at most 2 values",
    ),
    "a beta for two": (["optimizer.betas=.5"], "optimizer.betas=0.5: give a list, as in [a,b]"),
    "the other optimizer's key": (
        ["optimizer.momentum=.9"],
        "unknown key of optimizer 'momentum': choose from learning_rate, last_rate, settle, "
        "schedule, betas, first_reward; perturb=paper has it",
    ),
    "another method's key": (
        ["method=grad", "method.variant=delete"],
        "choose from score, batch_size; method=2d_ep, method=3d_ep, method=step have it",
    ),
    "a logger without keys": (
        ["logger=none", "logger.mode=x"],
        "unknown key of logger 'mode': it has no keys; logger=wandb has it",
    ),
    "a term that is not there": (
        ["method=3d_ep", "+method.terms.core.length=5"],
        "method.terms.core={'length': 5}: there is no method.terms.core to change: choose another",
    ),
    "a word for a term": (
        ["method.terms.area=x"],
        "method.terms.area='x': it has keys of its own, change those: method.terms.area.<key>=",
    ),
    "no network of that name": (
        ["model.network=foo"],
        "model.network='foo': input should be 'tiny_tsm' or",
    ),
    "words for frames": (
        ["model=r3d", "weights=random", "model.frames=ten"],
        "model.frames='ten': input should be a valid integer",
    ),
    "no such sampling": (
        ["model=tsm", "weights=random", "model.sampling=unifrom"],
        "model.sampling='unifrom': input should be 'uniform', 'center', 'dense' or 'published'",
    ),
    "no target": (["target=null"], "target=None: give label, predicted, a class name or an index"),
    "unknown method": (["method=stepp"], "unknown method 'stepp': did you mean 'step'?"),
    "unknown model": (["model=r2p1d"], "unknown model 'r2p1d': "),
    "unknown key": (["num_itr=3"], "unknown key 'num_itr': did you mean 'num_iter'?"),
    "unknown method key": (["method.sigm=3"], "unknown key of method 'sigm': did you mean 'sigma'"),
    "added method key": (["+method.sigm=3"], "unknown key of method 'sigm': did you mean 'sigma'"),
    "published names": (["vis_method=step"], "write method=<name>"),
    "published device": (["no_gpu=true"], "write device=cpu"),
    "area 0": (["perturb_area=0"], "perturb_area=0: give a share above 0 and below 1"),
    "area 1": (["perturb_area=1"], "perturb_area=1: give a share above 0 and below 1"),
    "area 1.5": (["perturb_area=[0.1,1.5]"], "perturb_area=[0.1, 1.5]: give a share above"),
    "area nan": (["perturb_area=nan"], "perturb_area=nan: give a share above 0"),
    "area abc": (["perturb_area=abc"], "perturb_area='abc': give a share above 0 and below 1, or"),
    "no area at all": (["perturb_area=null"], "perturb_area=None: give a share above 0"),
    "an area twice": (
        ["perturb_area=[0.1,0.1]"],
        "perturb_area=[0.1, 0.1]: give a share above 0 and below 1, or a list of them, each once",
    ),
    "no area": (["perturb_area=[]"], "perturb_area=[]: give a share above 0"),
    "no such metric": (
        ["metrics=[insertion]"],
        "unknown metrics 'insertion': did you mean 'insertion_auc'",
    ),
    "no such layer": (
        ["method=grad_cam", "method.layer=layer9"],
        "no layer 'layer9' in the network: its top layers are stem, layer1, layer2, fc",
    ),
    "no such score": (
        ["method=grad", "method.score=foo"],
        "method.score='foo': input should be 'logit', 'probability' or 'log_probability'",
    ),
    "no step": (["method=integrated_grad", "method.steps=0"], "method.steps=0: input should be"),
    "no such sum": (["method.combine=mean"], "method.combine='mean': input should be 'sum'"),
    "no iteration": (["num_iter=0"], "method.num_iter=0: input should be greater than 0"),
    "words for a number": (["num_iter=ten"], "method.num_iter='ten': input should be a valid int"),
    "impossible pair": (
        ["model=i3d", "pretrain_dataset=epic-kitchens-noun"],
        "pretrain_dataset=epic-kitchens-noun does not go with model=i3d: choose kinetics",
    ),
    "several possible": (
        ["model=tsm", "pretrain_dataset=shapes"],
        "choose kinetics or epic-kitchens-noun or epic-kitchens-verb",
    ),
    "weights of no name": (["model=tsm", "weights=e5"], "weights=e5 is neither a file nor a name"),
    "weights of another data set": (
        ["model=tsm", "weights=epic_tsm"],
        "weights=epic_tsm are not those of pretrain_dataset=kinetics: choose e100_dense",
    ),
    "a clip that is too short": (
        ["model=i3d", "model.frames=8", "weights=random"],
        "I3D cannot take 8 frames of 224 x 224 pixels: give at least 10 frames",
    ),
    "no such device": (["device=tpu"], "device=tpu: choose auto, cuda, cpu, mps"),
    "no weights": (["weights=nowhere.pth"], "weights=nowhere.pth is not a file"),
    "outputs in a file": (["outputs_dir=text.mp4/out"], "cannot be written"),
    "outputs in proc": (["outputs_dir=/proc/out"], "/proc/out cannot be written"),
    "batch of none": (["batch_size=0"], "batch_size=0: give a whole number, at least 1"),
    "no such polarity": (["polarity=up"], "unknown polarity 'up': "),
    "foreign target": (["method._target_=os.system"], "lies outside videxplain"),
    "borrowed target": (
        ["method._target_=videxplain.models.classifier.rearrange"],
        "is defined elsewhere (einops.einops): not allowed",
    ),
    "custom without a network": (["model=custom"], "model.net._target_ has no value"),
    "label with a path": (["save_label=../x"], "save_label='../x': use letters"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_end_in_a_sentence(run: Run, tmp_path: Path, mistake: str) -> None:
    _bad_inputs(tmp_path)
    arguments, said = MISTAKES[mistake]
    ran = run(*arguments)
    assert ran.code == 2, ran.err
    assert ran.err.startswith("videxplain: ")
    assert said in ran.err
    assert "Traceback" not in ran.err + ran.out
    assert len(ran.err.strip().splitlines()) == 1
    assert not (tmp_path / "outputs").exists()
    assert not list(tmp_path.rglob("result.json"))


@pytest.mark.parametrize("removed", ["~method", "~num_iter", "method=null"])
def test_what_a_sweep_needs_cannot_be_removed(run: Run, removed: str) -> None:
    ran = run("-m", removed)
    assert ran.code == 2
    assert ran.err.startswith(f"videxplain: {removed} leaves ")


def test_a_file_without_a_method_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "defaults: [config, _self_, {override method: null}, {override perturb: null}]\n"
    )
    own = ("--config-dir", str(tmp_path), "--config-name", "mine")
    assert "num_iter has no value: give num_iter=<value>" in run(*own).err
    recipe = ("perturb=quick",)
    assert run(*own, *recipe).err == "videxplain: method has no value: give method=<value>\n"
    assert run("-m", *own, *recipe).code == 2


def _bad_inputs(folder: Path) -> None:
    (folder / "empty").mkdir()
    whole = write_video(folder / "whole.mp4", 30).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.wmv").write_text("notes")
    (folder / "text.mp4").write_text("this is no video\n" * 50)
    write_frames(folder / "upp-1", ["1.png", "2.png"])
    for name, size in {"pixel": 1, "huge": 9000}.items():
        (folder / name).mkdir()
        Image.new("1", (size, size)).save(folder / name / "1.png")
    (folder / "broken").mkdir()
    (folder / "broken" / "1.png").write_text("no picture")


def test_too_few_frames_are_said_and_explained(run: Run, tmp_path: Path) -> None:
    write_frames(tmp_path / "up-1", ["1.png", "2.png", "3.png"])
    ran = run("videos_dir=up-1", "method=grad")
    assert ran.code == 0
    assert "up-1 has 3 frames, the network sees 16: frames are repeated" in ran.out


def test_a_broken_clip_leaves_the_others_done(run: Run, tmp_path: Path) -> None:
    for name in ("up-1", "up-2"):
        write_frames(tmp_path / "videos" / name, ["1.png", "2.png"], size=(300, 300))
    picture = tmp_path / "videos" / "up-2" / "2.png"
    picture.write_bytes(picture.read_bytes()[:100])  # whole in its header only
    ran = run("videos_dir=videos", "method=grad", "batch_size=1")
    assert ran.code == 2
    assert "up-2/2.png cannot be decoded" in ran.err
    assert len(list((job_folder() / "records").iterdir())) == 1
    status = json.loads((job_folder() / "status.json").read_text())
    assert status["state"] == "failed"
    assert "DataError" in status["error"]


def test_a_network_of_ones_own(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mynets.py").write_text(
        "import torch\n"
        "def build(width):\n"
        "    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Conv3d(3, width, 3),"
        " torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten(), torch.nn.Linear(width, 2))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    chosen = ["model=custom", "model.net._target_=mynets.build", "+model.net.width=4"]
    own = ["model.frames=8", "model.size=[32,32]", "model.class_names=[yes,no]", "method=grad"]
    refused = run(*chosen, *own)
    assert refused.code == 2
    assert "add plugins=[mynets] on the command line" in refused.err
    ran = run(*chosen, *own, "plugins=[mynets]", "target=no")
    assert ran.code == 0, ran.err
    assert job_folder().parts[-4:-1] == ("custom", "custom", "grad")


def test_a_method_that_a_network_does_not_suit(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error alone, and a skip with its reason in a sweep; nothing is computed."""
    (tmp_path / "barenets.py").write_text(
        "import torch\n"
        "def build():\n"
        "    return torch.nn.Sequential(torch.nn.Conv3d(3, 2, 3),"
        " torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten())\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = ["model=custom", "model.net._target_=barenets.build", "plugins=[barenets]"]
    own += ["model.frames=8", "model.size=[32,32]", "target=predicted"]
    alone = run(*own, "method=grad_cam")
    assert alone.code == 2
    assert "this model names none: give method.layer=<name>" in alone.err
    assert "top layers are 0, 1, 2" in alone.err
    assert run(*own, "method=grad_cam", "method.layer='0'").code == 0
    assert run("-m", *own, "method=grad_cam,grad").code == 0
    results = [
        json.loads(path.read_text()) for path in Path("outputs").glob("results/*/*/*/*/result.json")
    ]
    assert sorted(each["state"] for each in results) == ["done", "done", "skipped"]


def test_plugins_in_a_file_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("defaults: [config, _self_]\nplugins: [os]\n")
    ran = run("--config-dir", str(tmp_path), "--config-name", "mine")
    assert ran.code == 2
    assert "stands in a file: give plugins=[...] on the command line" in ran.err


def test_plugins_in_a_sweep_of_a_file_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "defaults: [config, _self_]\n"
        "hydra: {mode: MULTIRUN, sweeper: {params: {plugins: '[evil]'}}}\n"
    )
    ran = run("--config-dir", str(tmp_path), "--config-name", "mine")
    assert ran.code == 2
    assert "give plugins=[...] on the command line" in ran.err


def test_a_method_of_ones_own_needs_no_edit(run: Run, tmp_path: Path) -> None:
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "wide.yaml").write_text(
        "_target_: videxplain.methods.center.Center\nspread: 0.5\n"
    )
    assert run("--config-dir", str(tmp_path), "method=wide").code == 0


def test_several_jobs_in_one_command(run: Run) -> None:
    assert run("-m", "method=grad,center", "num_iter=2").code == 0
    assert len(list(Path("outputs").glob("results/*/*/*/result.json"))) == 0
    assert len(list(Path("outputs").glob("results/*/*/*/*/result.json"))) == 2


def test_an_impossible_pair_is_skipped_in_a_sweep(run: Run) -> None:
    pairs = ("model=tiny_tsm,r3d", "pretrain_dataset=shapes", "method=center", "weights=auto")
    assert run("-m", *pairs).code == 0
    results = {
        path.parts[-4]: json.loads(path.read_text())
        for path in Path("outputs").glob("results/*/*/*/*/result.json")
    }
    assert {name: each["state"] for name, each in results.items()} == {
        "tiny_tsm": "done",
        "r3d": "skipped",
    }
    said = "pretrain_dataset=shapes does not go with model=r3d: choose kinetics"
    assert results["r3d"]["reason"] == said
    assert results["r3d"]["records"] == []
    assert len(json.loads(Path("outputs/groups/default.json").read_text())["jobs"]) == 2


def test_what_follows_from_the_weights_is_kept_with_the_results(run: Run) -> None:
    shapes = ("data=shapes", "data.num_clips=1", "target=predicted")
    ran = run("model=tsm", "weights=random", "method=center", "metrics=[visible_area]", *shapes)
    assert ran.code == 0, ran.err
    model = json.loads((job_folder() / "result.json").read_text())["config"]["model"]
    assert (model["weights"], model["sampling"]) == ("random", "dense")


def test_help_describes_the_method_that_is_named(run: Run) -> None:
    ran = run("method=step", "--help")
    assert ran.code == 0
    assert "Find, for each area, the mask of lowest energy." in ran.out
    for fact in ("signed         no", "complete       no", "deterministic  yes"):
        assert fact in ran.out
    assert "400 forward and 400 backward passes a clip" in ran.out
    assert "Li et al., WACV 2021, arXiv 2005.00375" in ran.out
    assert "variant: preserve             # delete, dual" in ran.out
    wrong = run("--help", "method=stepp")
    assert wrong.code == 2
    assert "did you mean 'step'" in wrong.err


def test_help_without_a_method_shows_every_choice(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    assert "method: 2d_ep, 3d_ep, attention_rollout, center, grad, grad_cam" in ran.out


def test_a_key_of_the_methods_that_are_swept(run: Run) -> None:
    swept = ("-m", "method=grad,grad_x_input", "data=shapes", "data.num_clips=1", "metrics=[]")
    assert run(*swept, "method.score=probability").code == 0
    results = [
        json.loads(path.read_text()) for path in Path("outputs").glob("results/*/*/*/*/result.json")
    ]
    assert [each["config"]["method"]["score"] for each in results] == ["probability"] * 2
    wrong = run(*swept, "method.scor=logit")
    assert "unknown key of method 'scor': did you mean 'score'" in wrong.err + wrong.out


def test_version(run: Run) -> None:
    assert run("--version").out.startswith("videxplain 0.")


def test_as_a_command(tmp_path: Path) -> None:
    """A process of its own: exit codes, and nothing but the sentence on the screen."""
    command = [sys.executable, "-m", "videxplain"]
    wrong = subprocess.run(
        [*command, "num_iter=0"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert wrong.stderr == "videxplain: method.num_iter=0: input should be greater than 0\n"
    right = subprocess.run(
        [*command, "num_iter=1", "method=3d_ep"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert right.returncode == 0
    assert right.stderr == ""
    assert "Pictures: outputs/results/shapes/tiny_tsm/3d_ep/" in right.stdout


def test_mistakes_in_names_are_told_without_torch(tmp_path: Path) -> None:
    script = (
        "import sys; sys.argv = ['videxplain', 'method=stepp']\n"
        "from videxplain import cli\n"
        "try:\n    cli.main()\nexcept SystemExit as stop:\n"
        "    assert stop.code == 2\n    assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


@pytest.mark.parametrize("arguments", [["--help"], ["method=stepp"], ["num_itr=3"]])
def test_help_and_mistakes_are_there_at_once(arguments: list[str], tmp_path: Path) -> None:
    """The quickest of three: the machine may have other things to do."""
    command = [sys.executable, "-c", "from videxplain.cli import main; main()", *arguments]
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.5
