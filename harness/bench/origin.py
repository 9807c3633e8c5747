"""Where figures of `vistas bench-model` come from: which model with which settings, on which card, with which versions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.base import Generator, ModelCard
from results.environment import environment

if TYPE_CHECKING:  # a plan reads files of figures before libraries are loaded
    import torch

    from models.offload import Offload

DIVIDED = ", divided over "
"""Before the devices of a model that several share, after the name of the first."""
_LONG = 30
"""Characters of a value that a difference still shows."""


@dataclass(frozen=True)
class Origin:
    """What stands beside every figure in a file."""

    model: str
    """As `--model` names it."""
    device: str
    """The card's name, or the processor's with the number of threads; for a model that is divided, over which devices."""
    versions: str
    settings: str
    """`timed_settings` and what rested in host memory, as JSON."""

    @classmethod
    def of(cls, text: str, generator: Generator, devices: str, tiny: bool, offload: Offload = "none") -> Origin:
        """Of the figures of a model that has just been measured here; `devices` as asked for."""
        import torch

        here = environment(str(generator.device))
        device = here["accelerator"] or f"{here['processor']}, {here['threads']} threads"
        device += f"{DIVIDED}{devices}" if "," in devices else ""
        on_card = generator.device.type == "cuda"
        versions = kernels(generator.card.settings) if on_card else f"torch {torch.__version__}"
        tiny_too = {"tiny": True} if tiny else {}
        return cls(text, device, versions, json.dumps({**timed_settings(generator.card), **tiny_too, "offload": offload}, default=str))

    def differences(self, card: ModelCard, offload: Offload = "none") -> Iterator[str]:
        """What of a model's settings, and of how it is to be offloaded, is another than was measured."""
        measured = json.loads(self.settings)
        planned = json.loads(json.dumps({**timed_settings(card), "offload": offload}, default=str))
        for key in dict.fromkeys((*measured, *planned)):
            one, other = measured.get(key), planned.get(key)
            if one != other:
                short = max(len(str(one)), len(str(other))) <= _LONG
                yield f"{key} {one} and not {other}" if short else f"another {key}"


def timed_settings(card: ModelCard) -> Mapping[str, Any]:
    """Settings, steps and size of images."""
    return {**card.settings, "steps": card.steps, "image_size": card.image_size}


def kernels(settings: Mapping[str, Any]) -> str:
    """With what attention was computed on a card: torch's version, cuDNN's, and which kernels were tried in which order.

    To be asked for after the measurement: torch settles its own order at the first attention.
    """
    import torch

    from models.attention import AUTO, SETTING, tried

    order = ", ".join(tried(str(settings.get(SETTING, AUTO))))
    return f"torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}, attention kernels tried in the order {order}"


def load_now() -> float:
    """Processes at work in the last minute. To be asked for before the model is built, which is work too."""
    return os.getloadavg()[0]


def other_work(device: torch.device, load: float) -> str:
    """A sentence if a processor that is to be measured has, at this load, no core to spare; of a card's other work nothing is known."""
    import torch

    cores = os.cpu_count() or 1
    if device.type != "cpu" or round(load) + torch.get_num_threads() <= cores:  # a part of a core is this command's own, at its start
        return ""
    return f"the processor has other work, a load of {load:.1f} on {cores} cores: all figures are too slow; measure again when it has none"
