"""Small networks of the kinds of torchvision's transformers, their weights from the formulas."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torchvision.models.video.mvit import MSBlockConfig, MViT
from torchvision.models.video.swin_transformer import SwinTransformer3d

from tests.formulas import fill
from videxplain.models.classifier import VideoClassifier
from videxplain.models.mvit import TokenBlock

LIKE_V1: dict[str, Any] = {
    "residual_pool": False,
    "rel_pos_embed": False,
    "proj_after_attn": False,
}
LIKE_V2: dict[str, Any] = dict.fromkeys(LIKE_V1, True)
POOLED = [([1, 1, 1], [1, 2, 2], 1), ([1, 2, 2], [1, 1, 1], 2), ([1, 1, 1], [1, 1, 1], 2)]
"""Stride of queries, stride of keys and values, heads, a block."""
WIDTHS = (16, 16, 32, 32)


def small_mvit(block: type[nn.Module] | None = TokenBlock, **kind: Any) -> nn.Module:  # noqa: ANN401
    """Random weights; three blocks over 4 x 8 x 8 patches of 8 x 32 x 32, then 4 x 4 x 4."""
    settings = [
        MSBlockConfig(heads, given, made, [3, 3, 3], [3, 3, 3], stride_q, stride_kv)
        for (stride_q, stride_kv, heads), given, made in zip(
            POOLED, WIDTHS, WIDTHS[1:], strict=False
        )
    ]
    kind = {**kind, "residual_with_cls_embed": False, "num_classes": 10}
    net: nn.Module = MViT((32, 32), 8, settings, block=block, **kind)
    return net


def small_swin() -> nn.Module:
    """Random weights; two stages of two blocks over 4 x 8 x 8 patches, then 4 x 4 x 4."""
    net: nn.Module = SwinTransformer3d([2, 4, 4], 16, [2, 2], [1, 2], [2, 4, 4], num_classes=10)
    return net


def filled(net: nn.Module) -> nn.Module:
    """The network with the formulas' weights; what says which weight is whose stays."""
    state = net.state_dict()
    floats = {key: value for key, value in state.items() if value.is_floating_point()}
    net.load_state_dict({**state, **fill(floats)})
    return net


def small_classifier(
    name: str, weights: Callable[[nn.Module], nn.Module] = filled
) -> VideoClassifier:
    """``mvit_v1``, ``mvit_v2`` or ``swin3d``, with the layer for Grad-CAM of the large one."""
    clip: dict[str, Any] = {"frames": 8, "size": (32, 32)}
    if name == "swin3d":
        return VideoClassifier(
            weights(small_swin()), cam_layer="norm", cam_layout="b t h w c", **clip
        )
    kind = {"mvit_v1": LIKE_V1, "mvit_v2": LIKE_V2}[name]
    return VideoClassifier(weights(small_mvit(**kind)), cam_layer="blocks.2.norm1.patches", **clip)
