"""Data sheets of published Janus models."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch

from models.architecture import parameters
from models.dry_run import dry_run
from models.janus.flops import read_flops, token_flops
from models.janus.load import networks_of
from models.janus.memory import row_bytes
from models.janus.network import JanusNetwork
from models.published import PublishedModel
from models.random_weights import outlined
from models.settings import dtype_of
from models.sheet import Sheet, read_off

TEXT_TOKENS = 32
"""Of the prompt that is priced, its template included."""


def sheet(model: PublishedModel, settings: Mapping[str, Any]) -> Sheet:
    """A step is a row of image tokens; the first reads the prompt."""
    outline = outlined(model, settings)
    network, sequences, value = outline.network, outline.sampling.halves, dtype_of(settings["dtype"]).itemsize
    config, side = network.config, network.side
    passes = [read_flops(config, TEXT_TOKENS, 1)]
    passes += [token_flops(config, TEXT_TOKENS + token, 1) for token in range(1, side**2)]
    kept = [row_bytes(config, step, TEXT_TOKENS, sequences, value) for step in range(side + 1)]
    tokens = torch.zeros(1, side**2, dtype=torch.long, device="meta")
    decoder = sum(map(parameters, (network.codebook, network.post_quant_conv, network.decoder)))
    return read_off(
        outline, networks_of(network), TEXT_TOKENS, largest_bytes=value * max(decoder, parameters(network) - decoder),
        step_flops=tuple(sum(passes[side * step : side * (step + 1)]) for step in range(side)),
        row_bytes=max(kept), cache_step_bytes=tuple(max(0, after - before) for before, after in pairwise(kept)),
        pass_bytes=_pass_bytes(network, sequences) + max(kept), decode_bytes=dry_run(lambda: network.pixels_of(tokens)).peak_bytes,
    )  # fmt: skip


def _pass_bytes(network: JanusNetwork, sequences: int) -> int:
    """Intermediate bytes of reading a prompt, bound from above by all of a layer's tensors; a draw copies the row's cache besides."""
    text: Any = network.config.text_config
    width = 6 * text.hidden_size + 3 * text.intermediate_size
    return int(sequences * TEXT_TOKENS * width * network.codebook.weight.element_size())
