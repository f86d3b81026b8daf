"""The names of the classes, in the order of the logits."""

from pathlib import Path

from torchvision.models.video import R2Plus1D_18_Weights

from videxplain.errors import ConfigError, unknown_name

_LABELS = Path(__file__).parent / "labels"
"""One file a data set, one class a line; the row is the class's index."""
_KINETICS = "kinetics"


def class_names(pretrain_dataset: str) -> tuple[str, ...]:
    """Class names of a data set that networks are published for.

    Kinetics-400 has the order that torchvision, I3D and TSM share, alphabetical (Kay et al., "The
    Kinetics human action video dataset", 2017). EPIC-Kitchens-55 has its own class ids, 125 verbs
    and 352 nouns, some of them with ``:`` or ``-`` inside (Damen et al., "Scaling egocentric
    vision", ECCV 2018).

    Args:
        pretrain_dataset: ``kinetics``, ``epic-kitchens-noun`` or ``epic-kitchens-verb``.

    Raises:
        ConfigError: If it is none of these.
    """
    if pretrain_dataset == _KINETICS:
        return tuple(R2Plus1D_18_Weights.KINETICS400_V1.meta["categories"])
    listed = {path.stem: path for path in sorted(_LABELS.glob("*.txt"))}
    if pretrain_dataset not in listed:
        raise ConfigError(unknown_name("class list", pretrain_dataset, [_KINETICS, *listed]))
    return tuple(listed[pretrain_dataset].read_text(encoding="utf-8").splitlines())
