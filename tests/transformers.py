"""Small networks of the kinds of torchvision's transformers, their weights from the formulas."""

from collections.abc import Callable
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torchvision.models.video.mvit import MSBlockConfig, MViT
from torchvision.models.video.swin_transformer import SwinTransformer3d

from tests.formulas import SmallNet, fill
from videxplain import api
from videxplain.errors import UnsupportedPairError
from videxplain.models.classifier import VideoClassifier
from videxplain.models.mvit import TokenBlock
from videxplain.types import Choosy, Explainer

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


class PlainBlock(nn.Module):
    """Attention and a perceptron, their shortcuts beside them; no token is pooled."""

    def __init__(self, width: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.mix = nn.Linear(width, 3 * width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU())

    def attention(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Weights ``b heads q k`` and the values."""
        mixed = rearrange(self.mix(tokens), "b n (m h c) -> m b h n c", m=3, h=self.heads)
        query, key, value = mixed
        return (query @ key.mT).softmax(dim=-1), value

    def forward(self, tokens: Tensor, grid: Any) -> tuple[Tensor, Any]:  # noqa: ANN401
        weights, value = self.attention(tokens)
        tokens = tokens + rearrange(weights @ value, "b h n c -> b n (h c)")
        return tokens + self.mlp(tokens), grid

    def trace_back(self, shares: Tensor, tokens: Tensor, grid: Any) -> Tensor:  # noqa: ANN401, ARG002
        """As published: half of each token's share to itself, half by attention."""
        weights = self.attention(tokens)[0].mean(dim=1)
        return (shares + (shares[:, None] @ weights)[:, 0]) / 2


class SmallTransformer(nn.Module):
    """Two plain blocks and a class token over patches of 2 x 8 x 8, of clips of any size."""

    def __init__(self, classes: int = 10, width: int = 8) -> None:
        super().__init__()
        self.embed = nn.Conv3d(3, width, (2, 8, 8), (2, 8, 8))
        self.class_token = nn.Parameter(torch.zeros(width))
        self.layer3, self.layer4 = PlainBlock(width), PlainBlock(width)
        self.fc = nn.Linear(width, classes)
        self.load_state_dict(fill(self.state_dict()))

    def forward(self, frames: Tensor) -> Tensor:
        missing = [-size % side for size, side in zip(frames.shape[2:], (2, 8, 8), strict=True)]
        fills = [each for size in reversed(missing) for each in (0, size)]
        patches = self.embed(F.pad(frames, fills))
        grid = patches.shape[2:]
        first = self.class_token.expand(len(frames), 1, -1)
        tokens = torch.cat([first, rearrange(patches, "b c t h w -> b (t h w) c")], dim=1)
        for block in (self.layer3, self.layer4):
            tokens, grid = block(tokens, grid)
        logits: Tensor = self.fc(tokens[:, 0])
        return logits


def suits(method: Explainer, classifier: VideoClassifier) -> bool:
    try:
        if isinstance(method, Choosy):
            method.check(classifier)
    except UnsupportedPairError:
        return False
    return True


def small_net(method: str) -> nn.Module:
    """`SmallNet`, or `SmallTransformer` for a method that asks for one; both have a ``layer4``."""
    usual = VideoClassifier(SmallNet(), cam_layer="layer4")
    return usual.net if suits(api.load_method(method), usual) else SmallTransformer()
