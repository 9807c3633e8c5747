"""Trains shapes-clip: an open_clip model whose cosine tells pictures that show a caption from near misses and broken ones."""

import torch
from open_clip.model import CLIP
from torch import nn
from torch.nn import functional

from verifiers.shapes.patches import PatchReader
from verifiers.shapes.pool import PICTURES, Groups, possible
from verifiers.shapes.settings import clip_config
from verifiers.shapes.tokenizer import TEXT_LENGTH, build_tokenizer
from verifiers.shapes.training_loop import pictures_of

STEPS = 5000
LEARNING_RATE = 3e-3
HEADS = ("token_embedding", "positional_embedding", "class_embedding", "reader", "quality")


class ClipInTraining(nn.Module):
    """The CLIP model, the patch reader, and a quality reading of the image embedding that keeps quality in it."""

    def __init__(self) -> None:
        super().__init__()
        config = clip_config()["model_cfg"]
        self.clip = CLIP(**config)
        self.reader = PatchReader(config["vision_cfg"]["width"])
        self.quality = nn.Linear(config["embed_dim"], 1)
        self.tokenizer = build_tokenizer()
        self._tokens: list[torch.Tensor] = []
        self.clip.visual.transformer.register_forward_hook(lambda _m, _i, tokens: self._tokens.append(tokens))

    def loss(self, groups: Groups) -> dict[str, torch.Tensor]:
        """Contrast pictures and captions both ways, read patches, and read quality."""
        self._tokens.clear()
        images_BE = self.clip.encode_image(pictures_of(groups), normalize=True)
        captions = [str(record["prompt"]) for record in groups.records] + groups.wrong_captions
        tokens = self.tokenizer(captions, padding="max_length", max_length=TEXT_LENGTH, return_tensors="pt").input_ids
        texts_TE = self.clip.encode_text(tokens, normalize=True)
        logits = self.clip.logit_scale.exp().clamp(max=100) * images_BE @ texts_TE.T
        quality = self.quality(images_BE).squeeze(1)
        return {
            "contrast": contrast(logits, groups),
            "patches": 0.5 * self.reader.loss(self._tokens.pop()[:, 1:], groups),
            "quality": 4.0 * functional.mse_loss(quality, torch.from_numpy(groups.quality).flatten()),
        }


def contrast(logits_BT: torch.Tensor, groups: Groups) -> torch.Tensor:
    """Return the contrastive loss of 3 G pictures against G captions and G wrong ones, by the grader's verdicts.

    Pictures that might show another group's caption are no negatives for it.
    """
    count = len(groups.records)
    own = torch.arange(count).repeat_interleave(PICTURES)[:, None] == torch.arange(count)[None]
    correct = torch.from_numpy(groups.correct).flatten()[:, None]
    maybe = torch.from_numpy(possible(groups.records, groups.counts.reshape(-1, *groups.counts.shape[2:])).T)
    positive = own & correct
    negative = (own & ~correct) | (~own & ~maybe)
    wrong = torch.zeros_like(own)
    wrong[::PICTURES] = torch.eye(count, dtype=torch.bool)
    by_text = _softmax_loss(logits_BT[:, :count].T, positive.T, negative.T)
    by_image = _softmax_loss(
        logits_BT, torch.cat([positive, torch.zeros_like(own)], 1), torch.cat([negative, wrong], 1)
    )
    return by_text + 0.5 * by_image


def _softmax_loss(logits: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """Mean over positives of -log softmax among that positive and its row's negatives."""
    against = logits.masked_fill(~negative, -torch.inf).logsumexp(dim=1, keepdim=True)
    losses = functional.softplus(against - logits)
    return losses[positive].mean()
