"""Train the two small networks of the package: ``python scripts/train_tiny.py``.

Every step draws fresh ``shapes`` clips. Two things make training short and the networks honest:

* Still distractors drown the motion at first. So training starts on clips without their mean over
  time, in which nothing but the motion is left, and the mean is faded in.
* Clips with their frames shuffled, and clips without the moving object, are to be answered with
  the same probability for every class: nothing but ordered motion may count. Shuffled frames still
  show along which line the object moved; the classes of that line must not be favoured.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Generator, Tensor, nn
from torch.nn import functional as F  # noqa: N812

from videxplain.data.shapes import FRAMES, shape_clip
from videxplain.models.tiny import CLASS_NAMES, MEAN, STD, TinyR2Plus1D, TinyTSM

NETWORKS: dict[str, tuple[type[nn.Module], str]] = {
    "tiny_tsm": (TinyTSM, "b c t h w -> b t c h w"),
    "tiny_r2plus1d": (TinyR2Plus1D, "b c t h w -> b c t h w"),
}
TRAINING_SEED, UNSEEN_SEED = 1, 2
STEPS, BATCH = 800, 16
STILL_FADES = (80, 240)  # steps between which the mean over time comes in
HONEST_FROM = 260  # step from which clips without evidence are shown
ERASED = 4  # of them in a batch; every clip is shown shuffled
HONESTY, LEANING = 4.0, 2.0  # weights of their distance to chance, and of favouring the line
RATE = 3e-3


def main() -> None:
    """Train, measure on unseen clips, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NETWORKS), help="which networks")
    parser.add_argument("--out", type=Path, default=Path("videxplain/models/weights"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unseen", type=int, default=1000, help="clips to measure on")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    for name in arguments.names:
        network, layout = NETWORKS[name]
        torch.manual_seed(arguments.seed)
        net = network(len(CLASS_NAMES))
        feed = Feed(net, layout)
        train(feed, torch.Generator().manual_seed(arguments.seed))
        net.eval()
        for kind, share in accuracies(feed, UNSEEN_SEED, arguments.unseen).items():
            print(f"{name}: {kind} {share:.3f}")
        arguments.out.mkdir(parents=True, exist_ok=True)
        save_file(net.state_dict(), arguments.out / f"{name}.safetensors")


class Feed:
    """A network fed with ``b t h w c`` pictures."""

    def __init__(self, net: nn.Module, layout: str) -> None:
        self.net = net
        self._swap = layout.endswith("b t c h w")

    def __call__(self, pictures: Tensor, still: float = 1.0) -> Tensor:
        """Logits; ``still`` is the share of the mean over time that is left in."""
        colours = (pictures.float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
        colours = colours - (1 - still) * colours.mean(dim=1, keepdim=True)
        axes = (0, 1, 4, 2, 3) if self._swap else (0, 4, 1, 2, 3)
        logits: Tensor = self.net(colours.permute(axes).contiguous())
        return logits


def train(feed: Feed, generator: Generator) -> None:
    """Minimise the cross-entropy, and the distance to chance where there is no evidence."""
    optimiser = torch.optim.AdamW(feed.net.parameters(), lr=RATE, weight_decay=1e-2)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    start = time.perf_counter()
    for step in range(STEPS):
        pictures, erased, labels = draw(TRAINING_SEED, range(step * BATCH, (step + 1) * BATCH))
        still = min(max((step - STILL_FADES[0]) / (STILL_FADES[1] - STILL_FADES[0]), 0.0), 1.0)
        shown = [pictures]
        if step >= HONEST_FROM:
            shown += [shuffle(pictures, generator), erased[:ERASED]]
        logits = feed(torch.cat(shown), still)
        loss = F.cross_entropy(logits[:BATCH], labels)
        if step >= HONEST_FROM:
            unclear = torch.cat([labels, labels[:ERASED]])
            loss = loss + distance_to_chance(logits[BATCH:], unclear)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        decay.step()
        if (step + 1) % 50 == 0:
            right = (logits[:BATCH].argmax(dim=1) == labels).float().mean()
            print(
                f"step {step + 1} right {right:.2f} {time.perf_counter() - start:.0f} s", flush=True
            )


def distance_to_chance(logits: Tensor, labels: Tensor) -> Tensor:
    """Zero where all classes are as likely, up to a constant.

    The first part is small long before the highest probability is a matter of chance. The second
    is not: it is the advantage, over the batch, of the true direction and its opposite.
    """
    log_p = logits.log_softmax(dim=1)
    classes = logits.shape[1]
    line = torch.stack([labels, (labels + classes // 2) % classes], dim=1)
    advantage = log_p.gather(1, line).mean() - log_p.mean()
    return LEANING * advantage.relu() - HONESTY * log_p.mean()


def draw(seed: int, indices: range) -> tuple[Tensor, Tensor, Tensor]:
    """Clips, the same without their moving object, and labels."""
    clips = [shape_clip(seed, index) for index in indices]
    pictures = np.stack([clip.frames for clip in clips])
    still = np.stack([np.repeat(clip.background[None], FRAMES, axis=0) for clip in clips])
    labels = torch.tensor([clip.label for clip in clips])
    return torch.from_numpy(pictures), torch.from_numpy(still), labels


def shuffle(pictures: Tensor, generator: Generator) -> Tensor:
    """Put the frames of each clip into a random order."""
    return torch.stack([clip[torch.randperm(FRAMES, generator=generator)] for clip in pictures])


@torch.no_grad()
def accuracies(feed: Feed, seed: int, count: int) -> dict[str, float]:
    """Share of right answers on clips as they are, shuffled, and without their object."""
    generator = torch.Generator().manual_seed(0)
    changes: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "unseen": lambda pictures, _: pictures,
        "shuffled": lambda pictures, _: shuffle(pictures, generator),
        "erased": lambda _, erased: erased,
    }
    right = dict.fromkeys(changes, 0.0)
    for first in range(0, count, 50):
        pictures, erased, labels = draw(seed, range(first, min(first + 50, count)))
        for kind, change in changes.items():
            answers = feed(change(pictures, erased)).argmax(dim=1)
            right[kind] += (answers == labels).sum().item() / count
    return right


if __name__ == "__main__":
    main()
