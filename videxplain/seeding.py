"""Random numbers that depend on a seed and a clip's name, not on the order of clips."""

import hashlib

import torch

_BYTES = 8


def clip_generator(seed: int, name: str) -> torch.Generator:
    """A generator of its own for each clip, on the CPU so that every device draws the same.

    Args:
        seed: Of the whole run.
        name: Of the clip.
    """
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()[:_BYTES]
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
