"""The documentation as a site: complete, and nothing in it asks another host."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import videxplain
from tests.browser import needs_browser
from videxplain import catalog

ROOT = Path(__file__).parents[1]
LOADED = {"audio", "embed", "iframe", "img", "link", "object", "script", "source", "video"}
"""Elements whose address a browser loads; ``a`` is followed by people."""
OTHER_HOST = re.compile(r"(?:https?:)?//")
IN_STYLES = re.compile(r"url\(\s*[\"']?(?:https?:)?//|@import")


class Page(HTMLParser):
    """What a page loads, names, and shows as code."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.code: set[str] = set()
        self._in_code = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self._in_code = tag == "code"
        self.ids.add(told.get("id") or "")
        if tag in LOADED:
            self.loaded += [told.get(key) or "" for key in ("src", "href", "data", "srcset")]

    def handle_data(self, data: str) -> None:
        if self._in_code:
            self.code.add(data)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._in_code = False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return folder


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        elsewhere = [each for each in Page(path).loaded if OTHER_HOST.match(each)]
        assert elsewhere == [], path
    for path in site.rglob("*.css"):
        assert not IN_STYLES.search(path.read_text(encoding="utf-8")), path


def test_every_page_is_in_the_navigation(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    for path in site.rglob("*.html"):
        name = path.relative_to(site).as_posix()
        assert name == "404.html" or f'href="{name}"' in index, name


def test_every_name_has_its_place(site: Path) -> None:
    told = Page(site / "python.html")
    for name in videxplain.__all__:
        assert f"videxplain.{name}" in told.ids | told.code, name
    pages = {"method": "methods", "metrics": "metrics", "model": "models"}
    for group, page in pages.items():
        assert set(catalog.names(group)) <= Page(site / f"{page}.html").code


def test_methods_have_pictures_and_formulas(site: Path) -> None:
    told = (site / "methods.html").read_text(encoding="utf-8")
    for name in catalog.names("method"):
        assert f'src="images/methods/{name}.webp"' in told
        assert (site / "images" / "methods" / f"{name}.webp").is_file()
    assert told.count('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"') >= 3
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert ":math:" not in text, path
        assert ".. math::" not in text, path


@needs_browser
def test_a_browser_loads_nothing_from_elsewhere(site: Path, page: Any) -> None:  # noqa: ANN401
    """The scripts of the theme too; `page` fails at whatever a page asks of a host."""
    for path in sorted(set(site.rglob("*.html")) - {site / "404.html"}):  # for servers alone
        page.goto(path.as_uri())
        page.wait_for_selector("h1")
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, path
