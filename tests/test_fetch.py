"""Fetching over https from a real server: interrupted, resumed, refused."""

import os
import random
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import PIECE, Site, serve
from videxplain import catalog, weights_cli
from videxplain.errors import WeightsError
from videxplain.models import fetch as fetching
from videxplain.models.checkpoints import Checkpoint, file_sha256, git_blob
from videxplain.models.fetch import fetch

BODY = random.Random(0).randbytes(1_234_567)
SCRIPT = (
    "import sys; from pathlib import Path; from videxplain.models.fetch import fetch\n"
    "fetch(sys.argv[1], Path(sys.argv[2]), lambda part: None)"
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("NO_PROXY", "localhost")
    with serve(tmp_path / "authority.pem") as served:
        served.body = BODY
        yield served


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "net.pth"


def anything(_part: Path) -> None:
    """Accept what came."""


def parts(path: Path) -> list[Path]:
    return [each for each in path.parent.glob(".*") if each.suffix == ".part"]


def checkpoint(site: Site, **digest: Any) -> Checkpoint:  # noqa: ANN401
    return Checkpoint(site.url, ("shapes",), "MIT", **digest)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_file_comes_whole(site: Site, path: Path) -> None:
    fetch(site.url, path, anything)
    assert path.read_bytes() == BODY
    assert not parts(path)
    fetch(site.url, path, anything)
    assert site.asked == [None], "what is there is not fetched again"


def test_a_connection_that_breaks_is_resumed(site: Site, path: Path) -> None:
    site.cut_at = 400_000
    with pytest.raises(WeightsError, match=r"ended after 400000 of 1234567 bytes.*same command"):
        fetch(site.url, path, anything)
    assert not path.exists()
    (part,) = parts(path)
    assert part.read_bytes() == BODY[:400_000]
    site.cut_at = None
    fetch(site.url, path, anything)
    assert path.read_bytes() == BODY
    assert site.asked == [None, None, "bytes=400000-"]
    assert not parts(path)


def test_what_had_come_entirely_is_not_asked_for_again(site: Site, path: Path) -> None:
    site.cut_at = 400_000
    with pytest.raises(WeightsError):
        fetch(site.url, path, anything)
    parts(path)[0].write_bytes(BODY)  # as if killed before the last step
    fetch(site.url, path, anything)
    assert path.read_bytes() == BODY
    assert site.asked == [None, None]


def test_a_process_that_is_killed_is_resumed(site: Site, path: Path) -> None:
    site.pause = threading.Event()  # never set: the first piece comes, then the server waits
    with subprocess.Popen([sys.executable, "-c", SCRIPT, site.url, str(path)]) as process:
        wait_for(lambda: any(part.stat().st_size >= PIECE // 2 for part in parts(path)))
        process.send_signal(signal.SIGKILL)
    assert not path.exists()
    came = parts(path)[0].stat().st_size
    site.pause.set()
    fetch(site.url, path, anything)
    assert path.read_bytes() == BODY
    assert site.asked[-1] == f"bytes={came}-"


@pytest.mark.parametrize("change", ["another version", "no ranges", "no version named"])
def test_what_cannot_be_resumed_starts_anew(site: Site, path: Path, change: str) -> None:
    site.cut_at = 400_000
    site.etag = None if change == "no version named" else site.etag
    with pytest.raises(WeightsError):
        fetch(site.url, path, anything)
    site.cut_at = None
    if change == "another version":
        site.body, site.etag = BODY[::-1], '"two"'
    site.ranges = change != "no ranges"
    fetch(site.url, path, anything)
    assert path.read_bytes() == site.body
    assert not parts(path)


def test_a_server_that_sends_another_part(site: Site, path: Path) -> None:
    site.cut_at = 400_000
    with pytest.raises(WeightsError):
        fetch(site.url, path, anything)
    site.cut_at, site.wrong_part = None, True
    with pytest.raises(WeightsError, match="answered with another part of the file"):
        fetch(site.url, path, anything)
    assert not path.exists()


def test_a_server_that_states_no_length(site: Site, path: Path) -> None:
    site.length = False
    fetch(site.url, path, anything)
    assert path.read_bytes() == BODY


def test_a_server_that_falls_silent(
    site: Site, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_PATIENCE", 0.5)
    site.pause = threading.Event()
    start = time.perf_counter()
    with pytest.raises(WeightsError, match="timed out"):
        fetch(site.url, path, anything)
    assert time.perf_counter() - start < 5
    site.pause.set()
    fetch(site.url, path, anything)
    assert path.read_bytes() == BODY


def test_progress_is_shown_on_a_terminal(site: Site, path: Path) -> None:
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = [sys.executable, "-c", SCRIPT, site.url, str(path)]
    subprocess.run(command, stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "100%" in shown
    assert "1.23M/1.23M" in shown


def test_a_wrong_hash_is_refused(site: Site, path: Path) -> None:
    for digest in ({"sha256": "01234567"}, {"git_blob": "0" * 40}):
        with pytest.raises(WeightsError, match=r"is not the published file.*weights=<path>"):
            checkpoint(site, **digest).local_file(str(path.parent))
        assert not path.exists()
        assert not parts(path)


def test_a_right_hash_is_taken(site: Site, path: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(BODY)
    digests = {
        "sha256": file_sha256(tmp_path / "copy")[:8],
        "git_blob": git_blob(tmp_path / "copy"),
    }
    for name, digest in digests.items():
        path.unlink(missing_ok=True)
        assert checkpoint(site, **{name: digest}).local_file(str(path.parent)) == path
        assert path.read_bytes() == BODY


@pytest.mark.parametrize("url", ["http://localhost:1/net.pth", "file:///etc/passwd", "net.pth"])
def test_only_https(path: Path, url: str) -> None:
    with pytest.raises(WeightsError, match="only https is"):
        fetch(url, path, anything)
    assert not path.parent.exists()


def test_redirections(site: Site, path: Path) -> None:
    site.redirect = "http://localhost:1/net.pth"
    with pytest.raises(
        WeightsError, match=r"it leads to http://localhost:1/net\.pth, which is not"
    ):
        fetch(site.url, path, anything)
    assert not path.exists()


def test_a_web_page_is_not_the_file(site: Site, path: Path) -> None:
    site.body, site.kind = b"<html>sign in</html>", "text/html; charset=utf-8"
    with pytest.raises(WeightsError, match="answered with a web page instead of the file"):
        fetch(site.url, path, anything)
    assert not path.exists()


def test_what_the_server_says_is_told(site: Site, path: Path) -> None:
    with pytest.raises(WeightsError, match=r"could not be fetched \(HTTP Error 404: Not Found\)"):
        fetch(f"{site.url}.gone", path, anything)


def test_a_server_that_is_not_trusted(
    site: Site, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(WeightsError, match="certificate verify failed"):
        fetch(site.url, path, anything)
    assert not path.exists()


def test_of_two_processes_one_fetches(site: Site, path: Path) -> None:
    site.pause = threading.Event()
    command = [sys.executable, "-c", SCRIPT, site.url, str(path)]
    with subprocess.Popen(command) as first:
        wait_for(lambda: bool(parts(path)))
        with subprocess.Popen(command) as second:
            time.sleep(1)
            site.pause.set()
    assert (first.returncode, second.returncode) == (0, 0)
    assert path.read_bytes() == BODY
    assert len(site.asked) == 1


def test_no_network_is_told_within_seconds(tmp_path: Path) -> None:
    url = "https://localhost:1/models/net-0123abcd.pth"
    start = time.perf_counter()
    with pytest.raises(WeightsError) as told:
        Checkpoint(url, ("shapes",), "MIT").local_file(str(tmp_path))
    assert time.perf_counter() - start < 5
    assert f"curl -fL -o net-0123abcd.pth {url}" in str(told.value)
    assert str(tmp_path) in str(told.value)
    assert not [each for each in tmp_path.iterdir() if each.suffix != ".lock"]


def test_the_command_fetches(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command itself, with a configuration whose file lies on this server."""
    monkeypatch.setattr(catalog, "conf_folder", lambda: tmp_path / "conf")
    shutil.copytree(Path(__file__).parents[1] / "conf", tmp_path / "conf")
    model = tmp_path / "conf" / "model" / "mc3.yaml"
    published = "https://download.pytorch.org/models/mc3_18-a90a0ba3.pth"
    (tmp_path / "copy").write_bytes(BODY)
    digest = file_sha256(tmp_path / "copy")
    text = model.read_text().replace(published, site.url).replace("a90a0ba3", digest[:8])
    model.write_text(text)
    command = ["videxplain-weights", "fetch", "mc3", "--weights-dir", str(tmp_path / "cache")]
    monkeypatch.setattr(sys, "argv", command)
    site.cut_at = 400_000
    with pytest.raises(SystemExit) as stopped:
        weights_cli.main()
    assert stopped.value.code == 2
    assert "ended after 400000 of 1234567 bytes" in capsys.readouterr().err
    site.cut_at = None
    weights_cli.main()
    assert (tmp_path / "cache" / "net.pth").read_bytes() == BODY
    assert f"sha256 {digest}" in capsys.readouterr().out
    assert site.asked[-1] == "bytes=400000-"
