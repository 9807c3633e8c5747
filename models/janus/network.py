"""The parts of Janus that make images, out of transformers' own model; its image understanding is left behind."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import JanusForConditionalGeneration

from models.janus.cache import ATTENTION, RunCache
from models.offload import device_of


class JanusNetwork(nn.Module):
    """Language model, image token embeddings and head, and the decoder half of the VQ autoencoder.

    Takes the model over: its language model attends run by run from here on.
    """

    def __init__(self, model: JanusForConditionalGeneration) -> None:
        super().__init__()
        self.config: Any = model.config
        inner = model.model
        self.language_model = inner.language_model
        self.language_model.set_attn_implementation(ATTENTION)
        self.generation_embeddings, self.generation_aligner = inner.generation_embeddings, inner.generation_aligner
        self.generation_head = inner.generation_head
        self.codebook = inner.vqmodel.quantize.embedding
        self.post_quant_conv, self.decoder = inner.vqmodel.post_quant_conv, inner.vqmodel.decoder
        self.eval()

    @property
    def device(self) -> torch.device:
        return device_of(self.codebook)

    @property
    def layers(self) -> int:
        """Layers of the language model."""
        return int(self.config.text_config.num_hidden_layers)

    @property
    def side(self) -> int:
        """Rows, and columns, of image tokens."""
        return int(self.config.vq_config.num_patches)

    @property
    def pixels(self) -> int:
        """Pixels along one side of an image."""
        return self.side * 2 ** (len(self.config.vq_config.channel_multiplier) - 1)

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt, which leaves room for the image's."""
        return int(self.config.text_config.max_position_embeddings) - self.side**2

    def empty_cache_like(self, layer: int) -> Tensor:
        """A tensor [heads, hd] of the type, place and sizes of one token's keys in a layer."""
        text = self.config.text_config
        head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        found = device_of(self.language_model.layers[layer])
        where = self.device if found.type == "meta" else found  # at rest all layers go to one device
        dtype = self.language_model.embed_tokens.weight.dtype
        return torch.empty(text.num_key_value_heads, head_dim, dtype=dtype, device=where)

    def read(self, ids_BL: Tensor, cache: RunCache) -> Tensor:
        """Texts of equal length -> logits [B, V] of the first image token (float32)."""
        positions_BL = torch.arange(ids_BL.shape[1], device=self.device).expand(len(ids_BL), -1)
        return self._pass(self.language_model.embed_tokens(ids_BL), positions_BL, cache)

    def step(self, tokens_R: Tensor, halves: int, cache: RunCache) -> Tensor:
        """One more image token of each row, in each of its halves -> logits [halves * R, V] of the next (float32)."""
        embedded_R1C = self.generation_aligner(self.generation_embeddings(tokens_R[:, None]))
        return self._pass(embedded_R1C.repeat(halves, 1, 1), cache.positions(self.device), cache)

    def _pass(self, embedded_BnC: Tensor, positions_Bn: Tensor, cache: RunCache) -> Tensor:
        output = self.language_model(inputs_embeds=embedded_BnC, position_ids=positions_Bn, use_cache=False,
                                     run_cache=cache)
        cache.advance(embedded_BnC.shape[1])
        return self.generation_head(output.last_hidden_state[:, -1]).float()

    def pixels_of(self, tokens_BN: Tensor) -> Tensor:
        """Image tokens in raster order, whole rows of them -> images [B, 3, H, W] in about [-1, 1].

        Rows that are not drawn repeat the last drawn one, column by column, so that the decoder sees codes it knows;
        where none is drawn the features are zero.
        """
        side, count = self.side, tokens_BN.shape[1] // self.side
        codes_BNd = F.normalize(self.codebook(tokens_BN), dim=-1)
        codes_BdHW = codes_BNd.transpose(1, 2).unflatten(2, (count, side))
        if not count:
            codes_BdHW = codes_BdHW.new_zeros(*codes_BdHW.shape[:2], side, side)
        elif count < side:
            codes_BdHW = torch.cat([codes_BdHW, codes_BdHW[:, :, -1:].expand(-1, -1, side - count, -1)], dim=2)
        return self.decoder(self.post_quant_conv(codes_BdHW))
