"""Generation row by row over batches of prefixes: the pass before a row once per prefix, the passes within it per row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.janus.cache import RunCache
from models.janus.network import JanusNetwork
from models.janus.sampling import JanusSampling, draw_token, uniforms
from models.prefix_cache import PrefixReader, Segment


@dataclass(frozen=True, eq=False)
class RowPrefixes:
    """Distinct prefixes of image tokens, all with the same number of rows."""

    prompts: tuple[int, ...]
    step: int
    """Rows drawn so far."""
    tokens_BN: Tensor
    """Drawn tokens in raster order, int64."""
    log_prob_B: Tensor
    """Log-probability of the drawn tokens in nats, float64."""
    texts: Mapping[int, Tensor]
    """Keys and values of each prompt [layers, 2, halves, L, heads, hd]; empty before the first pass."""
    segment: Segment | None
    """Keys and values of the image tokens passed so far; None before the second row and after the last."""
    segment_rows: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class RowPrediction:
    """Guided logits of a row's first token for some prefixes."""

    logits_UV: Tensor
    place: dict[int, int]
    """Row of each predicted prefix."""
    texts: Mapping[int, Tensor]
    segment: Segment | None
    """Keys and values of the last token of the row above on top of the prefixes'; None before the first row."""


class RowRollout:
    """One model and sampling setting; holds no state of any candidate."""

    def __init__(self, network: JanusNetwork, sampling: JanusSampling) -> None:
        self.network, self.sampling = network, sampling

    def start(self, prompts: Sequence[int]) -> RowPrefixes:
        """Empty prefixes, one for each of these prompts."""
        device = self.network.device
        tokens_BN = torch.zeros(len(prompts), 0, dtype=torch.int64, device=device)
        log_prob_B = torch.zeros(len(prompts), dtype=torch.float64, device=device)
        return RowPrefixes(tuple(prompts), 0, tokens_BN, log_prob_B, {}, None, ())

    @torch.no_grad()
    def predict(self, prefixes: RowPrefixes, rows: Sequence[int],
                ids: Sequence[tuple[Sequence[int], Sequence[int]]]) -> RowPrediction:
        """The pass before the next row for the prefixes of these indices, each once: the prompt, or the last token.

        ids: for each prompt its token ids and those of its unconditional half.
        """
        rows = list(dict.fromkeys(rows))
        if prefixes.step == 0:
            return self._read(prefixes, rows, ids)
        rows.sort(key=lambda row: (prefixes.texts[prefixes.prompts[row]].shape[3], row))
        parents = [prefixes.segment_rows[row] for row in rows] if prefixes.segment is not None else []
        cache = self._cache([prefixes.prompts[row] for row in rows], prefixes.texts, prefixes.segment, parents, 1)
        last_U = prefixes.tokens_BN[torch.tensor(rows, device=self.network.device), -1]
        logits_UV = self.sampling.mixed(self.network.step(last_U, self.sampling.halves, cache))
        segment = self._segment(cache, len(rows), prefixes.segment, parents)
        return RowPrediction(logits_UV, _places(rows), prefixes.texts, segment)

    def _read(self, prefixes: RowPrefixes, rows: list[int],
              ids: Sequence[tuple[Sequence[int], Sequence[int]]]) -> RowPrediction:
        """Prompts with their unconditional halves, in groups of equal length."""
        halves, network = self.sampling.halves, self.network
        texts: dict[int, Tensor] = {}
        logits: dict[int, Tensor] = {}
        prompts = [prefixes.prompts[row] for row in rows]
        for length in dict.fromkeys(len(ids[prompt][0]) for prompt in prompts):
            group = [(row, prompt) for row, prompt in zip(rows, prompts, strict=True) if len(ids[prompt][0]) == length]
            ids_BL = torch.tensor([ids[prompt][half] for half in range(halves) for _, prompt in group],
                                  device=network.device)
            cache = RunCache([0] * len(ids_BL), network.layers, length)
            for layer in range(network.layers):
                cache.fill(layer, 0, (), network.empty_cache_like(layer))
            logits_GV = self.sampling.mixed(network.read(ids_BL, cache))
            added = [cache.added(layer).to(network.device) for layer in range(network.layers)]
            kv_l2hGLKd = torch.stack([kv_2BLKd.unflatten(1, (halves, -1)) for kv_2BLKd in added])
            for place, (row, prompt) in enumerate(group):
                texts[prompt], logits[row] = kv_l2hGLKd[:, :, :, place].clone(), logits_GV[place]
        return RowPrediction(torch.stack([logits[row] for row in rows]), _places(rows), texts, None)

    @torch.no_grad()
    def extend(self, prefixes: RowPrefixes, prediction: RowPrediction, rows: Sequence[int],
               seeds: Sequence[int]) -> RowPrefixes:
        """Draw the next row of tokens once for each of rows (prefix indices, may repeat), each from its own seed."""
        network, side = self.network, self.network.side
        device, texts = network.device, prediction.texts
        order = sorted(range(len(rows)), key=lambda at: texts[prefixes.prompts[rows[at]]].shape[3])
        prompts = [prefixes.prompts[rows[at]] for at in order]
        parents = [prediction.place[rows[at]] for at in order]
        uniform_BW = uniforms([seeds[at] for at in order], side).to(device)
        logits_BV = prediction.logits_UV[torch.tensor(parents, device=device)]
        cache = self._cache(prompts, texts, prediction.segment, parents, side - 1)
        row, log_prob_B = [], torch.zeros(len(order), dtype=torch.float64, device=device)
        for column in range(side):
            token_B, one_B = draw_token(self.sampling.probabilities(logits_BV), uniform_BW[:, column])
            row.append(token_B)
            log_prob_B = log_prob_B + one_B
            if column < side - 1:
                logits_BV = self.sampling.mixed(network.step(token_B, self.sampling.halves, cache))
        last = prefixes.step == side - 1
        segment = None if last else self._segment(cache, len(order), prediction.segment, parents)
        back = sorted(range(len(order)), key=order.__getitem__)
        index, back_B = torch.tensor(list(rows), device=device), torch.tensor(back, device=device)
        return replace(
            prefixes, prompts=tuple(prefixes.prompts[one] for one in rows), step=prefixes.step + 1,
            tokens_BN=torch.cat([prefixes.tokens_BN[index], torch.stack(row, dim=1)[back_B]], dim=1),
            log_prob_B=prefixes.log_prob_B[index] + log_prob_B[back_B], texts=texts, segment=segment,
            segment_rows=tuple(back))

    def _cache(self, prompts: Sequence[int], texts: Mapping[int, Tensor], segment: Segment | None,
               rows: Sequence[int], room: int) -> RunCache:
        """The prefixes of these rows in both halves, gathered layer by layer; rows: their places in the segment."""
        halves, count = self.sampling.halves, len(prompts)
        held = self._tokens(segment)
        lengths = [texts[prompt].shape[3] + held for prompt in prompts] * halves
        cache = RunCache(lengths, self.network.layers, room)
        reader = PrefixReader(segment, rows, halves)
        for layer in range(self.network.layers):
            parts, like = reader.block(layer), self.network.empty_cache_like(layer)
            for run, span in enumerate(cache.runs):
                text = torch.stack([texts[prompts[at % count]][layer, :, at // count]
                                    for at in range(span.rows.start, span.rows.stop)], dim=1)
                cache.fill(layer, run, [text, *(part[:, span.rows] for part in parts)], like)
        return cache

    def _segment(self, cache: RunCache, rows: int, parent: Segment | None, parent_rows: Sequence[int]) -> Segment:
        blocks = tuple(cache.added(layer) for layer in range(self.network.layers))
        return Segment(blocks, rows, parent, tuple(parent_rows))

    @staticmethod
    def _tokens(segment: Segment | None) -> int:
        return sum(part.blocks[0].shape[2] for part, _ in segment.path((0,))) if segment is not None else 0


def _places(rows: Sequence[int]) -> dict[int, int]:
    return {row: place for place, row in enumerate(rows)}
