"""All that is measured of a batch: by metrics, and by checks that ask the method again."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from videxplain.measures import Check, Curve, Curved, Metric, Ranking
from videxplain.metrics.masks import cut
from videxplain.scores import probability
from videxplain.types import (
    Attribution,
    Classifier,
    Clips,
    Cost,
    Explainer,
    Logits,
    Measure,
    Record,
)
from videxplain.words import Polarity


@dataclass(frozen=True)
class _Measured:
    """Of one attribution.

    Attributes:
        areas: Of its rows; None for a map.
        numbers: By the metric's name.
        curves: By the metric's name.
    """

    areas: Sequence[float | None]
    numbers: Mapping[str, Measure]
    curves: Mapping[str, Curve] = field(default_factory=dict)

    def number(self, metric: str, area: int, clip: int) -> float:
        """One clip's at one area; NaN where it was not measured."""
        measured = self.numbers.get(metric)
        return math.nan if measured is None else float(measured[area, clip])


@dataclass(frozen=True)
class Measuring:
    """What is measured, and with what.

    Attributes:
        classifier: The network.
        explainer: The method that made the attributions.
        metrics: What is measured.
    """

    classifier: Classifier
    explainer: Explainer
    metrics: Sequence[Metric | Check]

    def records(
        self,
        clips: Clips,
        attribution: Attribution,
        logits: Logits,
        map_areas: Sequence[float],
        polarity: Polarity,
    ) -> list[Record]:
        """One a clip and area, those of a clip together; a map stands before its cuts.

        Args:
            clips: What was explained.
            attribution: How.
            logits: Of the whole clips.
            map_areas: Areas at which a map without areas is cut into masks too.
            polarity: How signed values become saliency there.
        """
        measured = [self._measure(clips, attribution)]
        if attribution.areas is None and map_areas:
            measured.append(self._measure_cuts(clips, cut(attribution, map_areas, polarity)))
        answers = self._answers(clips, attribution, logits)
        return [
            Record(
                clip=clip,
                area=area,
                **answers[b],
                metrics={metric.name: each.number(metric.name, a, b) for metric in self.metrics},
                curves={name: curve.of(a, b) for name, curve in each.curves.items()},
            )
            for b, clip in enumerate(clips.names)
            for each in measured
            for a, area in enumerate(each.areas)
        ]

    def _answers(
        self, clips: Clips, attribution: Attribution, logits: Logits
    ) -> list[Mapping[str, Any]]:
        """What the network says of each whole clip, beside its class and the one explained."""
        names = self.classifier.class_names
        whole, predicted = probability(logits, attribution.target), logits.argmax(dim=1)
        labels = [clips.label(b) for b in range(len(clips))]
        return [
            {
                "label": None if label is None else names[label],
                "target": names[int(attribution.target[b])],
                "prediction": names[int(predicted[b])],
                "probability": float(whole[b]),
            }
            for b, label in enumerate(labels)
        ]

    def _measure(self, clips: Clips, attribution: Attribution) -> _Measured:
        numbers: dict[str, Measure] = {}
        curves: dict[str, Curve] = {}
        for metric in self.metrics:
            if isinstance(metric, Check):
                found = metric(self.classifier, self.explainer, clips, attribution)
            elif isinstance(metric, Curved):
                curves[metric.name] = metric.curve(self.classifier, clips, attribution)
                found = curves[metric.name].area()
            else:
                found = metric(self.classifier, clips, attribution)
            numbers[metric.name] = found.cpu()
        return _Measured(attribution.areas or (None,), numbers, curves)

    def _measure_cuts(self, clips: Clips, masks: Attribution) -> _Measured:
        """By what needs neither the order nor the spread of the voxels: a cut has its own."""
        numbers = {
            metric.name: metric(self.classifier, clips, masks).cpu()
            for metric in self.metrics
            if not isinstance(metric, (Check, Ranking)) and metric.category != "spread"
        }
        return _Measured(masks.areas or (), numbers)


def measured_cost(
    explainer: Explainer, metrics: Sequence[Metric | Check], areas: int, cuts: int
) -> Cost:
    """Passes through the network that explaining and measuring one clip takes.

    Args:
        explainer: The method.
        metrics: What is measured.
        areas: Rows of its attributions.
        cuts: Areas at which they are cut into masks too.
    """
    again = 1 + sum(metric.explanations for metric in metrics if isinstance(metric, Check))
    forward, backward = again * explainer.cost.forward, again * explainer.cost.backward
    for metric in metrics:
        rows = areas + (0 if isinstance(metric, (Check, Ranking)) else cuts)
        forward += rows * metric.cost.forward
        backward += rows * metric.cost.backward
    return Cost(forward, backward)
