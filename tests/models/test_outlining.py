"""Networks without weights: on the meta device, and nothing is drawn for them."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from models.outlining import outlining


class Ran(TorchDispatchMode):
    """The names of the operations that are run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def build() -> nn.Module:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LayerNorm(4), nn.Embedding(5, 4), nn.MultiheadAttention(4, 2), nn.Linear(4, 4))
    nn.init.xavier_uniform_(network[4].weight)
    nn.init.trunc_normal_(tensor=network[4].weight)
    return network


def test_nothing_is_drawn_for_an_outline() -> None:
    with Ran() as ran, outlining():
        network = build()
    assert all(tensor.is_meta for tensor in network.state_dict().values())
    assert [tuple(one.shape) for one in network.parameters()] == [tuple(one.shape) for one in build().parameters()]
    assert not {name for name in ran.names if name.endswith("_")}, "nothing is done in place"


def test_what_is_real_has_its_first_values_inside_and_after() -> None:
    with outlining():
        real = nn.Linear(2, 2, device="cpu")
        nn.init.constant_(real.weight, 3.0)
    assert real.weight.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert nn.LayerNorm(2).weight.tolist() == [1.0, 1.0]
