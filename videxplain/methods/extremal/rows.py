"""The masks of a search, a row for each area and clip, and how they leave it at rest."""

from collections import deque
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from videxplain.methods.extremal.masks import Visible

Numbers = Mapping[str, Float[Tensor, "n"]]
"""What is kept of an iteration, by the name of the curve."""

WINDOW = 20
"""Iterations in which a mask at rest has not moved."""
_STILL = {"visible_area": 0.001, "probability": 0.01}
"""How far a curve may wander in them: a tenth of what the metric ``converged_at`` allows."""
_SETTLED = 1.05
"""Factor by which a weight, or the learning rate, may change in them."""


class Rows:
    """The masks still searched, areas outermost, and what has been found.

    Args:
        areas: Of the masks.
        found: Where the masks go.
    """

    def __init__(self, areas: Sequence[float], found: Visible) -> None:
        self._shape = found.shape[:2]
        self._found = found.flatten(0, 1)
        self._ids = torch.arange(len(self._found), device=found.device)
        self._parts: list[tuple[Tensor, list[Numbers]]] = [(self._ids, [])]
        self._recent: deque[Tensor] = deque(maxlen=WINDOW)
        self._paces: deque[tuple[float, ...]] = deque(maxlen=WINDOW)
        self.clips = list(range(self._shape[1])) * len(areas)
        """Which clip each mask belongs to."""
        self.areas = [area for area in areas for _ in range(self._shape[1])]
        """The area that each mask shall have."""

    def __len__(self) -> int:
        return len(self._ids)

    def of(self, each: Tensor) -> Tensor:
        """What belongs to each mask's clip, from one entry a clip; nothing waits for the device."""
        return each[self._ids % self._shape[1]]

    def add(self, numbers: Numbers, pace: tuple[float, ...]) -> None:
        """Keep what an iteration has shown, and the weights and rate that it had."""
        self._parts[-1][1].append(numbers)
        self._recent.append(torch.stack([numbers[name] for name in _STILL]))
        self._paces.append(pace)

    def at_rest(self) -> Bool[Tensor, "n"]:
        """Which masks have come to rest; none does before the weights and the rate have."""
        if len(self._recent) < WINDOW or not _settled(self._paces[0], self._paces[-1]):
            return torch.zeros_like(self._ids, dtype=torch.bool)
        low, high = torch.stack(list(self._recent)).aminmax(dim=0)
        most = low.new_tensor(list(_STILL.values()))[:, None]
        return (high - low <= most).all(dim=0)

    def leave(
        self, masks: Float[Tensor, "n t h w"], rest: Bool[Tensor, "n"]
    ) -> Int[Tensor, "stay"]:
        """Put the masks away that are at rest.

        Returns:
            Indices of those that stay.
        """
        self._found[self._ids[rest]] = masks[rest]
        self._ids = self._ids[~rest]
        gone = rest.tolist()
        self.clips = [clip for clip, left in zip(self.clips, gone, strict=True) if not left]
        self.areas = [area for area, left in zip(self.areas, gone, strict=True) if not left]
        self._parts.append((self._ids, []))
        self._recent = deque((each[:, ~rest] for each in self._recent), maxlen=WINDOW)
        return torch.nonzero(~rest)[:, 0]

    def finish(self, masks: Float[Tensor, "n t h w"]) -> Visible:
        """All masks, with those that have stayed to the end."""
        self._found[self._ids] = masks
        return self._found.reshape(*self._shape, *self._found.shape[1:])

    def last(self, name: str) -> Float[Tensor, "n"]:
        """A number of the last iteration."""
        return self._parts[-1][1][-1][name]

    def curves(self) -> dict[str, Float[Tensor, "a b i"]]:
        """Every number over the iterations, NaN after a row's last."""
        steps = sum(len(rows) for _, rows in self._parts)
        curves = {
            name: row.new_full((len(self._found), steps), float("nan"))
            for name, row in self._parts[0][1][0].items()
        }
        start = 0
        for ids, rows in self._parts:
            for name, curve in curves.items() if rows else ():
                curve[ids, start : start + len(rows)] = torch.stack([row[name] for row in rows], 1)
            start += len(rows)
        return {name: curve.reshape(*self._shape, -1) for name, curve in curves.items()}


def _settled(before: tuple[float, ...], now: tuple[float, ...]) -> bool:
    return all(
        max(one, other) <= _SETTLED * min(one, other)
        for one, other in zip(before, now, strict=True)
    )
