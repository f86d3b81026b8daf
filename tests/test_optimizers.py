"""How the search descends, and when it stops."""

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.formulas import SmallNet, clip
from videxplain import api, catalog
from videxplain.errors import ConfigError
from videxplain.measures import AT_REST_FOR
from videxplain.methods.extremal.optimizers import SGD, Adam, Optimizer, keep
from videxplain.methods.extremal.rows import Rows
from videxplain.methods.extremal.search import ExtremalPerturbation
from videxplain.metrics.masks import ConvergedAt
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Clips

AREAS = (0.05, 0.4)
TARGET = torch.tensor([3, 1, 0])


@pytest.fixture(scope="module")
def precise() -> VideoClassifier:
    return VideoClassifier(SmallNet()).double()


@pytest.fixture(scope="module")
def clips() -> Clips:
    return Clips(clip(3, 4, 28, 28).double())


def search(method: str, perturb: str = "quick", **changes: Any) -> ExtremalPerturbation:  # noqa: ANN401
    made = api.load_method(method, perturb=perturb, **changes)
    assert isinstance(made, ExtremalPerturbation)
    return made


def test_recipes_set_the_same_keys() -> None:
    keys = {name: set(catalog.root(name)) for name in catalog.names("perturb")}
    assert set(keys) == {"paper", "quick"}
    assert keys["paper"] == keys["quick"]


def test_the_papers_recipe_is_the_published_one() -> None:
    paper = search("step", "paper")
    assert paper.optimizer == SGD(learning_rate=0.05, momentum=0.9, dampening=0.9)
    assert (paper.num_iter, paper.early_stop) == (2000, False)
    assert search("step").num_iter * 5 <= paper.num_iter
    assert search("step").early_stop
    for iteration in (0, 101, 1999):
        pace = paper.optimizer.pace(iteration, 2000)
        assert (pace.learning_rate, pace.clock, pace.least_reward) == (0.05, iteration, 0)
        assert paper.weights(pace)["reward"] == 1


def test_a_part_of_a_recipe_can_be_changed_alone() -> None:
    slow = search("3d_ep", optimizer={"learning_rate": 0.01})
    assert slow.optimizer == dataclasses.replace(Adam(), learning_rate=0.01)
    with pytest.raises(ConfigError, match="unknown perturb 'papr': did you mean 'paper'"):
        search("3d_ep", "papr")
    with pytest.raises(ConfigError, match=r"method.optimizer.settle=0: input should be greater"):
        search("3d_ep", optimizer={"settle": 0})


def test_the_quick_recipe_ends_under_the_weights_of_the_papers() -> None:
    for method in ("2d_ep", "3d_ep", "step"):
        paper, quick = search(method, "paper"), search(method)
        wanted = paper.weights(paper.optimizer.pace(1999, 2000))
        for iteration, num_iter in ((199, 400), (399, 400), (49, 50)):
            found = quick.weights(quick.optimizer.pace(iteration, num_iter))
            assert found == pytest.approx(wanted), (method, iteration)


def test_the_quick_recipe_on_its_way() -> None:
    adam = Adam(learning_rate=0.1, last_rate=0.2, settle=101, schedule=2000, first_reward=16)
    rates = {0: 0.1, 50: 0.06, 100: 0.02, 300: 0.02}
    assert {i: adam.pace(i, 400).learning_rate for i in rates} == pytest.approx(rates)
    assert adam.pace(25, 400).learning_rate == pytest.approx(
        0.02 + 0.08 * (1 + math.cos(math.pi / 4)) / 2
    )
    assert [adam.pace(i, 400).clock for i in (0, 50, 200)] == pytest.approx([0, 999.5, 1999])
    least = [adam.pace(i, 400).least_reward for i in (0, 25, 49, 50, 60)]
    assert least == pytest.approx([16, 4, 16**0.02, 0, 0])
    assert adam.pace(0, 1).clock == 0
    step, ep = search("step"), search("3d_ep")
    assert step.weights(step.optimizer.pace(0, 400))["reward"] == 100
    assert step.weights(step.optimizer.pace(15, 400))["core"] == 300
    assert step.weights(step.optimizer.pace(10, 400))["core"] == 0
    assert ep.weights(ep.optimizer.pace(0, 400))["reward"] == 100
    no_reward = search("step", reward_weight=0)
    assert no_reward.weights(no_reward.optimizer.pace(0, 400))["reward"] == 0


def test_adam_is_that_of_its_authors() -> None:
    """Kingma and Ba, algorithm 1."""
    adam, rate = Adam(betas=(0.8, 0.95)), 0.05
    cells = torch.tensor([[[[0.3, 0.7, 0.5]]]], dtype=torch.float64, requires_grad=True)
    wanted, mean, square = cells.detach().clone(), torch.zeros(1), torch.zeros(1)
    taken = adam.start(cells)
    taken.param_groups[0]["lr"] = rate
    for t in range(1, 6):
        gradient = torch.tensor([[[[t, -1.0 / t, 3.0]]]], dtype=torch.float64)
        cells.grad = gradient.clone()
        taken.step()
        mean = 0.8 * mean + 0.2 * gradient
        square = 0.95 * square + 0.05 * gradient**2
        wanted -= rate * (mean / (1 - 0.8**t)) / ((square / (1 - 0.95**t)).sqrt() + 1e-8)
        torch.testing.assert_close(cells.detach(), wanted)


@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_rows_that_stay_go_on_as_if_alone(optimizer: Optimizer) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.rand(4, 2, 3, 3, generator=generator)
    gradients = torch.rand(6, 4, 2, 3, 3, generator=generator)
    stay = torch.tensor([0, 3])
    cells = start.clone().requires_grad_()
    whole = start[stay].clone().requires_grad_()
    together, alone = optimizer.start(cells), optimizer.start(whole)
    for index, gradient in enumerate(gradients):
        if index == 3:
            cells = keep(together, stay)
        cells.grad = gradient[stay] if index >= 3 else gradient
        whole.grad = gradient[stay]
        together.step()
        alone.step()
    torch.testing.assert_close(cells, whole, rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["3d_ep", "step"])
@pytest.mark.parametrize("batch_size", [2, 6])
def test_a_mask_at_rest_is_finished(
    precise: VideoClassifier, clips: Clips, method: str, batch_size: int
) -> None:
    """It stops for itself: all that it was until then is that of a search that goes on."""
    given: dict[str, Any] = {"num_iter": 120, "perturb_area": AREAS, "batch_size": batch_size}
    given["optimizer"] = {"settle": 40, "learning_rate": 0.1, "last_rate": 0.02}
    whole = search(method, **given, early_stop=False)(precise, clips, TARGET)
    found = search(method, **given)(precise, clips, TARGET)
    lengths = (~found.curves["energy"].isnan()).sum(dim=-1)
    assert len(set(lengths.flatten().tolist())) > 1
    assert lengths.min() < 120
    for name, curve in found.curves.items():
        for area, one, length in each_length(lengths):
            assert curve[area, one, length:].isnan().all()
            torch.testing.assert_close(
                curve[area, one, :length], whole.curves[name][area, one, :length]
            )
    for area, one, length in each_length(lengths):
        last = found.curves["visible_area"][area, one]
        torch.testing.assert_close(found.values[area, one].mean(), last[length - 1])
        assert length % 10 == 0
        if length < 120:
            recent = last[length - AT_REST_FOR : length]
            assert recent.max() - recent.min() <= 0.001
            seen = found.curves["probability"][area, one, length - AT_REST_FOR : length]
            assert seen.max() - seen.min() <= 0.01


def each_length(lengths: torch.Tensor) -> list[tuple[int, int, int]]:
    return [
        (area, one, int(lengths[area, one]))
        for area in range(lengths.shape[0])
        for one in range(lengths.shape[1])
    ]


def test_nothing_stops_before_the_weights_have_settled(precise: VideoClassifier) -> None:
    """A mask that keeps everything does not move, but may still have to."""
    clips = Clips(clip(1, 4, 28, 28).double())
    whole: dict[str, Any] = {"perturb_area": 0.999, "num_iter": 100, "optimizer": {"settle": 80}}
    found = search("step", **whole)(precise, clips, TARGET[:1])
    assert int((~found.curves["energy"].isnan()).sum()) == 100


def test_the_papers_search_can_stop_too(precise: VideoClassifier) -> None:
    clips = Clips(clip(1, 4, 28, 28).double())
    given: dict[str, Any] = {"perturb_area": 0.4, "num_iter": 900}
    found = search("3d_ep", "paper", **given, early_stop=True)(precise, clips, TARGET[:1])
    length = int((~found.curves["energy"].isnan()).sum())
    assert AT_REST_FOR < length < 900


def test_convergence_is_read_up_to_the_early_stop() -> None:
    nan = float("nan")
    curve = torch.tensor([[[1.0, 0.6, *30 * [0.3], nan, nan]]])
    area = torch.tensor([[[1.0, 0.9, 0.9, 0.9, 0.4, *27 * [0.1], nan, nan]]])
    values = torch.zeros(1, 1, 1, 2, 4, 4)
    target = torch.tensor([0])

    def at(probability: torch.Tensor, visible: torch.Tensor) -> float:
        curves = {"probability": probability, "visible_area": visible}
        found = Attribution(values, target, (0.1,), curves)
        return ConvergedAt()(VideoClassifier(SmallNet()), Clips(clip(1, 2, 4, 4)), found).item()

    assert at(curve, curve) == 3
    assert at(curve, area) == 6
    moving = torch.cat([torch.linspace(1, 0.4, 32), torch.tensor([nan, nan])])[None, None]
    assert math.isnan(at(curve, moving))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["2d_ep", "3d_ep", "step"])
def test_the_quick_recipe_is_as_good_as_the_papers(method: str, tmp_path: Path) -> None:
    output = tmp_path / "recipes.json"
    script = Path(__file__).parents[1] / "scripts" / "compare_recipes.py"
    chosen = ["--networks", "tiny_tsm", "--methods", method, "--clips", "8"]
    subprocess.run([sys.executable, script, *chosen, "--output", output], check=True)
    paper, quick = json.loads(output.read_text())
    assert quick["energy"] < paper["energy"] + 0.01
    assert quick["iterations"] * 5 <= paper["iterations"] == 2000
    for higher_is_better in ("kept", "insertion AUC", "top 5 %"):
        assert quick[higher_is_better] > paper[higher_is_better] - 0.01


def test_the_search_takes_the_rate_of_the_recipe(
    precise: VideoClassifier, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[float] = []
    step = torch.optim.Adam.step

    def note(self: torch.optim.Adam) -> None:
        taken.append(self.param_groups[0]["lr"])
        step(self)

    monkeypatch.setattr(torch.optim.Adam, "step", note)
    method = search("3d_ep", num_iter=12, early_stop=False)
    method(precise, clips, TARGET)
    wanted = [method.optimizer.pace(iteration, 12).learning_rate for iteration in range(12)]
    assert taken == pytest.approx(wanted)
    assert taken[0] > 5 * taken[-1]


def test_nothing_rests_before_every_term_has_begun(precise: VideoClassifier) -> None:
    """STEP's core term begins at iteration 101; wide areas are found long before."""
    found = api.explain(
        precise,
        Clips(clip(1, 8, 28, 28).double()),
        "step",
        perturb="paper",
        num_iter=110,
        early_stop=True,
        perturb_area=0.9,
    )
    assert not found.curves["energy"][..., :101].isnan().any()


def rows_of(numbers: list[tuple[float, float]]) -> Rows:
    rows = Rows((0.1,), torch.zeros(1, 1, 2, 3, 3), len(numbers))
    for area, probability in numbers:
        seen = {"visible_area": torch.tensor([area]), "probability": torch.tensor([probability])}
        rows.add(seen, (300.0, 0.01))
    return rows


@pytest.mark.parametrize(
    ("count", "last", "rests"),
    [
        (AT_REST_FOR, (0.1, 0.5), True),
        (AT_REST_FOR - 1, (0.1, 0.5), False),
        (AT_REST_FOR, (0.1009, 0.5), True),
        (AT_REST_FOR, (0.1011, 0.5), False),
        (AT_REST_FOR, (0.1, 0.5099), True),
        (AT_REST_FOR, (0.1, 0.5101), False),
    ],
)
def test_what_counts_as_rest(count: int, last: tuple[float, float], *, rests: bool) -> None:
    rows = rows_of([(0.1, 0.5)] * (count - 1) + [last])
    assert rows.at_rest().tolist() == [rests]
