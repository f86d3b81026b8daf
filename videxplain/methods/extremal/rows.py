"""The masks of a search, a row for each area and clip, and how they leave it at rest."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from videxplain.measures import AT_REST_FOR
from videxplain.methods.extremal.masks import Visible

Numbers = Mapping[str, Float[Tensor, "n"]]
"""What is kept of an iteration, by the name of the curve."""

_STILL = {"visible_area": 0.001, "probability": 0.01}
"""How far a curve may wander while a mask is at rest: less than ``converged_at`` allows."""
_SETTLED = 1.05
"""Factor by which a weight, or the learning rate, may change meanwhile."""


class Rows:
    """The masks still searched, areas outermost, and what has been found.

    Args:
        areas: Of the masks.
        found: Where the masks go.
        num_iter: Most iterations.
    """

    def __init__(self, areas: Sequence[float], found: Visible, num_iter: int) -> None:
        self._shape = found.shape[:2]
        self._found = found.flatten(0, 1)
        self._ids = torch.arange(len(self._found), device=found.device)
        self._num_iter = num_iter
        self._names: tuple[str, ...] = ()
        self._history = found.new_empty(0)
        """Names, masks, iterations: at once, as small tensors kept on the way splinter memory."""
        self._paces: list[tuple[float, ...]] = []
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
        seen = torch.stack(list(numbers.values()))
        if not self._names:
            self._names = tuple(numbers)
            size = len(self._names), len(self._found), self._num_iter
            self._history = seen.new_full(size, float("nan"))
        self._history[:, self._ids, len(self._paces)] = seen
        self._paces.append(pace)

    def at_rest(self) -> Bool[Tensor, "n"]:
        """Which masks have come to rest; none does before the weights and the rate have."""
        recent = self._paces[-AT_REST_FOR:]
        if len(recent) < AT_REST_FOR or not _settled(recent[0], recent[-1]):
            return torch.zeros_like(self._ids, dtype=torch.bool)
        wander = torch.stack([self._wander(name) for name in _STILL])
        return (wander <= wander.new_tensor(list(_STILL.values()))[:, None]).all(dim=0)

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
        return torch.nonzero(~rest)[:, 0]

    def finish(self, masks: Float[Tensor, "n t h w"]) -> Visible:
        """All masks, with those that have stayed to the end."""
        self._found[self._ids] = masks
        return self._found.reshape(*self._shape, *self._found.shape[1:])

    def last(self, name: str) -> Float[Tensor, "n"]:
        """A number of the last iteration."""
        return self._curve(name)[:, -1]

    def curves(self) -> dict[str, Float[Tensor, "a b i"]]:
        """Every number over the iterations, NaN after a row's last."""
        done = self._history[:, :, : len(self._paces)]
        whole = done.reshape(len(self._names), *self._shape, -1)
        return dict(zip(self._names, whole, strict=True))

    def _curve(self, name: str) -> Float[Tensor, "n i"]:
        return self._history[self._names.index(name), self._ids, : len(self._paces)]

    def _wander(self, name: str) -> Float[Tensor, "n"]:
        low, high = self._curve(name)[:, -AT_REST_FOR:].aminmax(dim=1)
        return high - low


def _settled(before: tuple[float, ...], now: tuple[float, ...]) -> bool:
    return all(now) and all(  # a weight of 0 has still to begin
        max(one, other) <= _SETTLED * min(one, other)
        for one, other in zip(before, now, strict=True)
    )
