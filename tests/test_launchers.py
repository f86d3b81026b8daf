"""One sweep by every launcher: the same results, and a job that goes wrong loses only itself."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import runner
from tests.outputs import contents, records, summary
from videxplain import cli

LAUNCHERS = {
    "basic": (),
    "joblib": (),
    "submitit_local": (),
    "submitit_slurm": (
        *("hydra.launcher.gpus_per_node=null", "hydra.launcher.cpus_per_task=1"),
        "hydra.launcher.mem_gb=2",
    ),
    "ray": (),
    "ray_cluster": ("hydra.launcher.ray.remote.num_cpus=1", "hydra.launcher.ray.remote.num_gpus=0"),
}
LOSE_ONE = ("submitit_local", "submitit_slurm", "ray", "ray_cluster")
"""With these a process that dies takes no other job with it."""
NETWORK = """
import os
from pathlib import Path

import torch

class Net(torch.nn.Module):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def forward(self, frames):
        wrong = Path(os.environ["FAULT"])
        wrong.with_name(f"process {os.getpid()}").touch()
        if wrong.is_file() and wrong.read_text() == f"raise {self.number}":
            raise RuntimeError("the network broke")
        if wrong.is_file() and wrong.read_text() == f"die {self.number}":
            os._exit(9)
        return frames.mean((2, 3, 4)) @ torch.full((3, 4), 1.0 + self.number)

def build(number):
    return Net(number)
"""
SWEEP = (
    *("model=tiny_tsm,tiny_r2plus1d", "method=2d_ep,3d_ep,step", "perturb_area=0.1,0.3"),
    *("data=shapes", "data.num_clips=2", "num_iter=3", "threads=1", "logger=none"),
    "metrics=[visible_area,probability_kept]",
)
OWN = (
    *("plugins=[own_network]", "model=custom", "model.net._target_=own_network.build"),
    *("model.frames=8", "model.size=[32,32]", "target=predicted", "data=shapes"),
    *("+model.net.number=0,1,2,3,4,5,6,7,8,9,10,11", "method=grad", "metrics=[visible_area]"),
    *("data.num_clips=1", "logger=none", "threads=1"),
)
RAY_CLUSTER = "ray start --head --num-cpus=2 --include-dashboard=false > /dev/null 2>&1 && {}"


def command(launcher: str, arguments: tuple[str, ...]) -> list[str]:
    """Of a sweep; Ray listens on every address, so it gets a network of its own."""
    chosen = (f"hydra/launcher={launcher}", *LAUNCHERS[launcher])
    own = [sys.executable, "-m", "videxplain", "-m", *chosen, *arguments]
    if not launcher.startswith("ray"):
        return own
    within = RAY_CLUSTER.format(shlex.join(own)) if launcher == "ray_cluster" else shlex.join(own)
    script = f"ip link set lo up && mkdir -p /tmp/ray && mount -t tmpfs tmpfs /tmp/ray && {within}"
    own_spaces = ("--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc")
    return ["unshare", *own_spaces, "sh", "-c", script]


def sweep(folder: Path, launcher: str, arguments: tuple[str, ...]) -> "subprocess.Popen[str]":
    folder.mkdir(exist_ok=True)
    (folder / "own_network.py").write_text(NETWORK)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), str(folder)]),
        "FAULT": str(folder / "fault"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
    }
    return subprocess.Popen(
        command(launcher, arguments),
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run(folder: Path, launcher: str, arguments: tuple[str, ...]) -> tuple[int, str]:
    process = sweep(folder, launcher, arguments)
    told, _ = process.communicate(timeout=300)
    return process.returncode, told[-3000:]


def states(folder: Path) -> list[str]:
    return [row["state"] for row in summary(folder)]


def skip_without(launcher: str) -> None:
    if launcher.startswith("ray") and not importlib.util.find_spec("ray"):
        pytest.skip("Ray is not installed")
    if launcher == "submitit_slurm" and not shutil.which("sbatch"):
        pytest.skip("there is no SLURM cluster")


def slurm_accounts() -> bool:
    return subprocess.run(["sacct"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    folder = tmp_path_factory.mktemp("basic")
    code, told = run(folder, "basic", SWEEP)
    assert code == 0, told
    return contents(folder)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [name for name in LAUNCHERS if name != "basic"])
def test_every_launcher_gives_the_same(
    launcher: str, tmp_path: Path, expected: dict[str, list[bytes]]
) -> None:
    skip_without(launcher)
    code, told = run(tmp_path, launcher, SWEEP)
    assert code == 0, told
    assert states(tmp_path) == ["done"] * 12
    assert len(expected) == 2 * 2 * 12
    assert contents(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("fault", ["raise", "die"])
def test_a_job_that_goes_wrong_loses_only_itself(launcher: str, fault: str, tmp_path: Path) -> None:
    skip_without(launcher)
    if launcher == "submitit_slurm" and fault == "die" and not slurm_accounts():
        pytest.skip("this SLURM keeps no accounts, so that nothing tells that a job died")
    (tmp_path / "fault").write_text(f"{fault} 3")
    code, told = run(tmp_path, launcher, OWN)
    assert code != 0, told
    if fault == "raise" or launcher in LOSE_ONE:
        assert code == 1, told
        lost = {"raise": "failed", "die": "stopped"}[fault]
        assert states(tmp_path) == ["done"] * 3 + [lost] + ["done"] * 8
    else:
        assert len(records(tmp_path)) < 12
    finished = records(tmp_path)
    (tmp_path / "fault").unlink()
    code, told = run(tmp_path, launcher, OWN)
    assert code == 0, told
    assert states(tmp_path) == ["done"] * 12
    last = records(tmp_path)
    assert len(last) == 12
    assert {path: last[path] for path in finished} == finished


def test_several_processes_at_once(tmp_path: Path) -> None:
    code, told = run(tmp_path, "joblib", (*OWN, "+model.net.number=0,1,2,3"))
    assert code == 0, told
    assert states(tmp_path) == ["done"] * 4
    assert len(list(tmp_path.glob("process *"))) == 2


def test_what_sbatch_says_is_told_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuses = "#!/bin/sh\necho 'sbatch: error: invalid account' >&2\nexit 1\n"
    for name, script in {"sbatch": refuses, "srun": "#!/bin/sh\n"}.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    code, told = run(tmp_path, "submitit_slurm", ("logger=none", "method=center,random"))
    assert code == 1, told
    assert told.splitlines()[-1] == (
        "videxplain: 2 of 2 jobs are not done; the first is logger=none method=center: "
        "hydra/launcher=submitit_slurm could not start it (sbatch: error: invalid account), "
        "its settings are hydra.launcher.<key>=<value>; the same command repeats what is missing"
    )
    assert states(tmp_path) == ["pending"] * 2


def test_a_launcher_that_is_not_installed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if importlib.util.find_spec("ray"):
        pytest.skip("Ray is installed")
    monkeypatch.chdir(tmp_path)
    ran = runner("videxplain", cli.main, monkeypatch, capsys)("-m", *OWN, "hydra/launcher=ray")
    assert ran.code == 2
    assert "hydra/launcher=ray cannot be used" in ran.err
    assert ran.err.endswith("it is not installed: pip install 'videxplain[ray]'\n")
    assert not Path("outputs").exists()
