"""A real browser for the tests of the report's page."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
REQUIRED = os.environ.get("VIDEXPLAIN_REQUIRE_BROWSER") == "1"
LOCAL = ("file:", "data:", "blob:")
HERE = CHROMIUM is not None and importlib.util.find_spec("playwright") is not None

needs_browser = pytest.mark.skipif(
    not REQUIRED and not HERE, reason="needs Chromium and the package playwright"
)


@contextmanager
def started() -> Iterator[Any]:
    """Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def watched(browser: Any) -> Iterator[Any]:  # noqa: ANN401
    """A page that fails at whatever it complains about, or asks of another host."""
    told: list[str] = []
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.on("console", lambda message: told.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda ask: None if ask.url.startswith(LOCAL) else told.append(ask.url))
    yield page
    assert page.evaluate("window.hacked") is None
    page.close()
    assert told == []


def look(page: Any, report: Path, view: str, wait: str = "h1") -> None:  # noqa: ANN401
    page.goto(f"{report.as_uri()}#/{view}")
    page.wait_for_selector(wait)


def column(page: Any, number: int) -> list[str]:  # noqa: ANN401
    found: list[str] = page.locator(f"tbody tr td:nth-child({number})").all_inner_texts()
    return found


def frames(page: Any) -> list[str]:  # noqa: ANN401
    """That the tiles show."""
    found: list[str] = page.eval_on_selector_all(".tile", "all => all.map(t => t.dataset.frame)")
    return found
