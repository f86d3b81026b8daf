"""What the documentation says is what the package does."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.commands import completed
from videxplain import api, building, catalog, cli
from videxplain.measures import Check
from videxplain.types import Cost

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
YES = {True: "yes", False: "no"}


def test_the_table_of_methods_is_what_they_declare() -> None:
    lines = (ROOT / "docs" / "methods.md").read_text().splitlines()
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line[:1]]
    told = {row[0].strip("`"): row[2:] for row in table[2:]}
    assert set(told) == set(catalog.names("method"))
    for name, (signed, complete, deterministic, passes, source) in told.items():
        method = api.load_method(name)
        declared = (method.signed, method.complete, method.deterministic)
        assert (signed, complete, deterministic) == tuple(YES[each] for each in declared), name
        assert method.cost == told_cost(passes), name
        assert source == method.citation, name


def told_cost(passes: str) -> Cost:
    """``25`` are passes in both directions, ``25 forward`` in one."""
    count, _, alone = passes.partition(" ")
    assert alone in ("", "forward")
    return Cost(int(count), 0 if alone else int(count))


def test_the_table_of_metrics_is_what_they_declare() -> None:
    lines = (ROOT / "docs" / "metrics.md").read_text().splitlines()
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line[:1]]
    told = {row[0].strip("`"): row[2:] for row in table[2:]}
    assert set(told) == set(catalog.names("metrics"))
    for name, (kind, better, passes, source) in told.items():
        metric = building.build(catalog.section("metrics", name), "metrics")[name]
        assert {"higher": True, "lower": False, "-": None}[better] is metric.higher_is_better, name
        assert (kind, source) == (metric.category, metric.citation), name
        again = f"{metric.explanations} x the method" if isinstance(metric, Check) else ""
        assert passes == again or passes == str(metric.cost.forward), name


def told_commands() -> list[ParameterSet]:
    """Those of all documents but the tutorials, which are run; of several values the first."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found: list[ParameterSet] = []
    for file in files:
        blocks = re.findall(r"```bash\n(.*?)```", file.read_text(), re.S)
        lines = re.sub(r"\\\n\s*", "", "".join(blocks)).splitlines()
        for line in lines:
            told = re.match(r"(?:PYTHONPATH=\S+ )?(?:videxplain|videxplain-sweep plan) (.*)", line)
            if told:
                found.append(pytest.param(told[1], id=f"{file.stem}-{len(found)}"))
    return found


@pytest.mark.parametrize("arguments", told_commands())
@pytest.mark.filterwarnings("ignore:\\s*'hydra/launcher")
def test_commands_of_the_documents_can_be_composed(arguments: str) -> None:
    given = [each for each in shlex.split(arguments, comments=True) if not each.startswith("-")]
    first = [re.sub(r"=glob\(\*\)|=([^\[,]*),.*", r"=\1", each) for each in given]
    overrides = ["method=grad" if each == "method=" else each for each in first]
    asked = dict(each.split("=", 1) for each in overrides if each.startswith(("model=", "method=")))
    assert completed(overrides)["choices"].items() >= asked.items()


def test_every_choice_stands_in_the_readme() -> None:
    for group in ("model", "method", "metrics"):
        for name in catalog.names(group):
            assert f"`{name}`" in README, f"{group}={name}"


def names_of_tests(*files: Path) -> set[str]:
    return {
        name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }


def test_the_table_of_faults_names_its_tests() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "faults.md").read_text()))
    tests = ROOT / "tests"
    assert named <= names_of_tests(*tests.glob("test_*.py"))
    assert named >= names_of_tests(*tests.glob("test_faults*.py"), tests / "test_soak.py")


def published_commands() -> list[str]:
    section = README.split("## The published commands")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("videxplain ")]


def test_there_are_three_published_commands() -> None:
    assert len(published_commands()) == 3


@pytest.mark.parametrize("command", published_commands(), ids=lambda line: line.split("=")[-1])
def test_published_commands_run(
    command: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On real frames; random weights and 3 steps instead of the published ones."""
    (tmp_path / "frames").symlink_to(shared / "data" / "frames")
    monkeypatch.chdir(tmp_path)
    few = "method.steps=3" if "integrated_grad" in command else "num_iter=3"
    arguments = [*shlex.split(command)[1:], "weights=random", few, "metrics=[visible_area]"]
    monkeypatch.setattr(sys, "argv", ["videxplain", *arguments])
    cli.main()
    (path,) = tmp_path.glob("outputs/results/*/*/*/*/result.json")
    result = json.loads(path.read_text())
    assert len(result["records"]) == 2
    assert {record["label"] for record in result["records"]} == {
        record["target"] for record in result["records"]
    }
    area = {"step": 0.1, "3d_ep": 0.05, "integrated_grad": None}[path.parts[-3]]
    assert {record["area"] for record in result["records"]} == {area}
    pictures = list(path.parent.glob("figures/*.png"))
    assert len(pictures) == 2
