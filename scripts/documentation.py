"""What mkdocs needs besides mkdocs.yml: README and the like as pages, and formulas as MathML.

Links are written for the repository, ``docs/methods.md`` in README.md and ``../README.md`` in
docs/, and are turned here to where the site has these files.
"""

import posixpath
import re
from pathlib import Path
from xml.etree import ElementTree as ET

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).resolve().parents[1]
_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "SECURITY.md": "SECURITY.md",
}
"""Files at the root of the repository, and the pages that show them."""
_FILES = (
    "LICENSE",
    "CITATION.cff",
    *(f"examples/{each.name}" for each in _ROOT.glob("examples/*.py")),
)
"""Files that pages link to."""
_LINK = re.compile(r"(?<=\]\()([^)#\s:]+)(?=[)#])")
_FORMULA = r":math:`([^`]+)`|\.\. math:: ([^\n]+)"
"""As docstrings have them within a line, and alone."""
_BEFORE_CODE = 195
"""Priority over Markdown's own reading of backticks, which is 190."""


class _Formula(InlineProcessor):  # type: ignore[misc]  # Markdown has no types
    def handleMatch(self, m: re.Match[str], data: str) -> tuple[str, int, int]:  # noqa: ARG002, N802
        inline, alone = m.groups()
        made = mathml(inline or alone, alone=alone is not None)
        return self.md.htmlStash.store(made), m.start(0), m.end(0)


class Formulas(Extension):  # type: ignore[misc]
    """Formulas in Markdown, as docstrings write them."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        """Add them to what a line may hold."""
        md.inlinePatterns.register(_Formula(_FORMULA, md), "formula", _BEFORE_CODE)


def mathml(formula: str, *, alone: bool) -> str:
    """A formula in TeX as MathML, which browsers draw themselves."""
    made: str = convert(formula, display="block" if alone else "inline")
    ET.fromstring(made)  # a formula that is not understood shall not pass
    return made


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Read formulas."""
    config.markdown_extensions.append(Formulas())
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside docs/."""
    for source, page in {**_PAGES, **{each: each for each in _FILES}}.items():
        text = (_ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Turn links to files of the repository to where the site has them."""
    sources = {shown: source for source, shown in _PAGES.items()}
    here = page.file.src_uri
    folder = posixpath.dirname(sources.get(here, f"docs/{here}"))

    def turned(link: re.Match[str]) -> str:
        source = posixpath.normpath(posixpath.join(folder, link[1]))
        if not (_ROOT / source).is_file():
            return link[1]
        shown = _PAGES.get(source, source.removeprefix("docs/"))
        return posixpath.relpath(shown, posixpath.dirname(here))

    return _LINK.sub(turned, markdown)
