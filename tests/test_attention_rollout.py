"""Attention rollout against products of matrices that are written out."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torchvision.models.video.mvit import MSBlockConfig, MViT, _add_rel_pos

from tests.formulas import clip
from tests.transformers import LIKE_V1, LIKE_V2, SmallTransformer, filled, small_mvit
from videxplain import api
from videxplain.errors import UnsupportedPairError
from videxplain.models.classifier import VideoClassifier
from videxplain.models.mvit import TokenBlock
from videxplain.types import Clips

Grid = tuple[int, int, int]
KINDS = pytest.mark.parametrize("kind", [LIKE_V1, LIKE_V2], ids=["v1", "v2"])


def rollout(net: nn.Module, frames: Tensor) -> Tensor:
    classifier = VideoClassifier(net, frames=frames.shape[2], size=(32, 32)).to(frames)
    values: Tensor = api.explain(classifier, Clips(frames), "attention_rollout", 1).values[0]
    return values


def enlarged(row: Tensor, grid: Grid, size: tuple[int, ...]) -> Tensor:
    return F.interpolate(row[:, 1:].reshape(-1, 1, *grid), size, mode="trilinear")


def test_published_definition_where_nothing_is_pooled() -> None:
    net = SmallTransformer().double().eval()
    frames = clip(2, 4, 32, 32).double()
    seen: list[Tensor] = []
    with torch.no_grad():
        for block in (net.layer3, net.layer4):
            block.register_forward_pre_hook(
                lambda block, given: seen.append(block.attention(given[0])[0])
            )
        net(frames)
    one = torch.eye(33, dtype=torch.float64)
    first, second = ((weights.mean(dim=1) + one) / 2 for weights in seen)
    wanted = enlarged((second @ first)[:, 0], (2, 4, 4), (4, 32, 32))
    torch.testing.assert_close(rollout(net, frames), wanted)


def unpooled(blocks: int, **kind: Any) -> nn.Module:  # noqa: ANN401
    settings = [MSBlockConfig(2, 16, 16, [], [], [], []) for _ in range(blocks)]
    net: nn.Module = MViT(
        (32, 32),
        8,
        settings,
        residual_with_cls_embed=False,
        num_classes=10,
        block=TokenBlock,
        **kind,
    )
    return filled(net).eval()


@pytest.mark.parametrize("blocks", [2, 3])
def test_uniform_attention_in_closed_form(blocks: int) -> None:
    """Half of what the class token still has goes, each time, to all tokens alike."""
    net = unpooled(blocks, **LIKE_V1)
    for block in net.blocks:  # type: ignore[union-attr]
        nn.init.zeros_(block.attn.qkv.weight)
        nn.init.zeros_(block.attn.qkv.bias)
    tokens = 1 + 4 * 8 * 8
    found = rollout(net, clip(1, 8, 32, 32))
    torch.testing.assert_close(found, torch.full_like(found, (1 - 0.5**blocks) / tokens))


def positions(grid: Grid) -> list[Grid]:
    """In the order of tokens."""
    t, h, w = (range(size) for size in grid)
    return list(itertools.product(t, h, w))


def windows(grid: Grid, layer: Any) -> list[dict[int, Grid]]:  # noqa: ANN401
    """Of each output, the tokens that it sees and where in the kernel they lie."""

    def three(numbers: Any) -> Grid:  # noqa: ANN401
        first, second, third = numbers
        return first, second, third

    kernel, stride, padding = (
        three(each) for each in (layer.kernel_size, layer.stride, layer.padding)
    )
    made: Grid = tuple(  # type: ignore[assignment]
        (n + 2 * p - k) // s + 1 for n, k, s, p in zip(grid, kernel, stride, padding, strict=True)
    )
    index = {place: number for number, place in enumerate(positions(grid))}
    found = []
    for output in positions(made):
        seen = {}
        for tap in positions(kernel):
            place = tuple(
                o * s - p + k for o, s, p, k in zip(output, stride, padding, tap, strict=True)
            )
            if place in index:
                seen[index[place]] = tap
        found.append(seen)
    return found


def with_class(matrix: Tensor) -> Tensor:
    whole = F.pad(matrix, (1, 0, 1, 0))
    whole[0, 0] = 1
    return whole


def by_convolution(pool: Any, grid: Grid) -> Tensor:  # noqa: ANN401
    """``out in``."""
    weight = pool.pool.weight.abs().mean(dim=(0, 1))
    rows = windows(grid, pool.pool)
    matrix = weight.new_zeros(len(rows), len(positions(grid)))
    for row, seen in enumerate(rows):
        total = sum(weight[tap] for tap in seen.values())
        for token, tap in seen.items():
            matrix[row, token] = weight[tap] / total
    return with_class(matrix)


def by_max_pool(pool: Any, tokens: Tensor, grid: Grid) -> Tensor:  # noqa: ANN401
    patches = tokens[0, 1:]
    rows = windows(grid, pool.pool)
    matrix = tokens.new_zeros(len(rows), len(patches))
    for row, seen in enumerate(rows):
        places = torch.tensor(list(seen))
        for winner in patches[places].argmax(dim=0):
            matrix[row, places[winner]] += 1 / patches.shape[1]
    return with_class(matrix)


def matrix_of(block: Any, tokens: Tensor, grid: Grid) -> Tensor:  # noqa: ANN401
    """What a block makes of one clip's tokens, ``out in``."""
    attn = block.attn
    normed = block.norm1(tokens)
    mixed = attn.qkv(normed).reshape(1, -1, 3, attn.num_heads, attn.head_dim).transpose(1, 3)
    query, key, _ = mixed.unbind(dim=2)
    (query, made), (key, seen) = attn.pool_q(query, grid), attn.pool_k(key, grid)
    scores = query @ key.transpose(2, 3) / attn.head_dim**0.5
    if attn.rel_pos_h is not None:
        tables = (attn.rel_pos_h, attn.rel_pos_w, attn.rel_pos_t)
        scores = _add_rel_pos(scores, query, made, seen, *tables)
    through = scores.softmax(dim=-1).mean(dim=1)[0] @ by_convolution(attn.pool_v, grid)
    if attn.residual_pool:
        by_query = by_convolution(attn.pool_q, grid)
        through = torch.cat([through[:1], (through[1:] + by_query[1:]) / 2])
    skipped = block.project(normed) if block.project and block.proj_after_attn else tokens
    one = torch.eye(tokens.shape[1]).to(tokens)
    shortcut = one if block.pool_skip is None else by_max_pool(block.pool_skip, skipped, grid)
    matrix: Tensor = (shortcut + through) / 2
    return matrix


@KINDS
def test_pooled_tokens_by_matrices(kind: dict[str, Any]) -> None:
    net = filled(small_mvit(**kind)).double().eval()
    frames = clip(1, 8, 32, 32).double()
    calls: list[tuple[nn.Module, tuple[Tensor, Grid]]] = []
    handles = [
        block.register_forward_pre_hook(lambda *call: calls.append(call))
        for block in net.blocks  # type: ignore[union-attr]
    ]
    with torch.no_grad():
        net(frames)
        for handle in handles:
            handle.remove()
        product = torch.eye(257).double()
        for block, (tokens, grid) in calls:
            matrix = matrix_of(block, tokens, grid)
            torch.testing.assert_close(matrix.sum(dim=1), torch.ones(len(matrix)).double())
            product = matrix @ product
    assert product.shape == (65, 257)
    wanted = enlarged(product[:1], (4, 8, 8), (8, 32, 32))
    torch.testing.assert_close(rollout(net, frames), wanted)


@KINDS
def test_what_tokens_have_is_handed_on_whole(kind: dict[str, Any]) -> None:
    net = filled(small_mvit(**kind)).double().eval()
    generator = torch.Generator().manual_seed(0)
    shares = torch.rand(2, 65, generator=generator, dtype=torch.float64)
    tokens = torch.randn(2, 257, 16, generator=generator, dtype=torch.float64)
    before = net.blocks[1].trace_back(shares, tokens, (4, 8, 8))  # type: ignore[index, union-attr]
    assert before.shape == (2, 257)
    assert (before >= 0).all()
    torch.testing.assert_close(before.sum(dim=1), shares.sum(dim=1))


def test_it_is_the_same_for_every_class() -> None:
    classifier = VideoClassifier(SmallTransformer(), frames=4, size=(32, 32))
    clips = Clips(clip(1, 4, 32, 32))
    first, second = (api.explain(classifier, clips, "attention_rollout", each) for each in (1, 2))
    assert torch.equal(first.values, second.values)


def test_it_runs_in_mixed_precision() -> None:
    classifier = VideoClassifier(filled(small_mvit(**LIKE_V2)), frames=8, size=(32, 32))
    clips = Clips(clip(1, 8, 32, 32))
    whole = api.explain(classifier, clips, "attention_rollout", 1).values
    classifier.precision = "bfloat16"
    mixed = api.explain(classifier, clips, "attention_rollout", 1).values
    assert (mixed - whole).norm() < 0.1 * whole.norm()


@pytest.mark.parametrize("name", ["tiny_tsm", "swin3d_t"])
def test_a_network_without_a_class_token_is_refused(name: str) -> None:
    classifier = api.load_model(name, weights="random", device="cpu")
    method: Any = api.load_method("attention_rollout")
    with pytest.raises(UnsupportedPairError) as told:
        method.check(classifier)
    assert "follows a class token" in str(told.value)
    assert "model=mvit_v1_b, model=mvit_v2_s or another method" in str(told.value)
    with pytest.raises(UnsupportedPairError):
        method(classifier, Clips(clip(1, 16, 64, 64)), torch.tensor([0]))
