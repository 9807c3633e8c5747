"""Weight files: whether they are whole, and their tensors, of pickles only those that hold nothing else."""

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import DamagedWeights, WrongInput

STORED = ("F64", "F32", "F16", "BF16")
"""Number formats of weights in files that are read as they are; quantised ones would need their scales."""
POINTER = b"version https://git-lfs"
PICKLES = (".pth", ".pt", ".ckpt")
TORCH_PROTOCOL = 2
"""Of the pickles that torch saves and reads without running code."""


def check_whole(path: Path) -> None:
    """Check that a weight file has the length its own header gives, and an index all of its shards; nothing is loaded.

    Raises:
        DamagedWeights: the file cannot be read, is cut short, is no file of its kind, stands for one elsewhere, or a shard
            is missing.
    """
    try:
        with path.open("rb") as stream:
            begin = stream.read(len(POINTER))
    except OSError as error:
        raise DamagedWeights(f"{path} cannot be read ({error.strerror}): fetch or copy it again, or allow reading it") from error
    if begin == POINTER:
        raise DamagedWeights(f"{path} is a pointer of git-lfs and not the file itself: run `git lfs pull` where it lies, or fetch it")
    if path.suffix == ".safetensors":
        _check_safetensors(path)
    elif ".safetensors.index." in path.name and path.suffix == ".json":
        _check_shards(path)
    elif path.suffix in (*PICKLES, ".bin") and begin.startswith(b"PK") and not zipfile.is_zipfile(path):
        raise DamagedWeights(f"{path} is cut short (the end of the archive is missing): fetch or copy it again")
    elif path.suffix in PICKLES and not begin.startswith((b"PK", pickle.PROTO)):
        raise DamagedWeights(f"{path} is no weight file or is cut short: fetch or copy it again")


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a safetensors file, from its header alone. Raises WrongInput for quantised weights."""
    tensors = header(path)
    for name, tensor in tensors.items():
        if tensor["dtype"] not in STORED:
            raise WrongInput(f"{path} holds {name} as {tensor['dtype']}: weights are read as {', '.join(STORED)}; give the published file")
    return {name: tuple(tensor["shape"]) for name, tensor in tensors.items()}


def header(path: Path) -> dict[str, Any]:
    """What a safetensors file that is whole says of each tensor: dtype and shape."""
    with path.open("rb") as stream:
        found: dict[str, Any] = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return {name: tensor for name, tensor in found.items() if name != "__metadata__"}


def _check_safetensors(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = stream.read(length) if 0 < length <= size - 8 else b""
    try:
        tensors = json.loads(header)
        expected = 8 + length + max((one["data_offsets"][1] for key, one in tensors.items() if key != "__metadata__"), default=0)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise DamagedWeights(f"{path} is cut short or is no safetensors file: fetch or copy it again") from error
    if size != expected:
        raise DamagedWeights(f"{path} has {size} bytes, its header says {expected}: fetch or copy it again")


def shard_of_each(index: Path) -> dict[str, str]:
    """The shard in which an index says that each weight is. Raises DamagedWeights, also for a shard outside of its folder."""
    try:
        shards = dict(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
        outside = sorted(shard for shard in shards.values() if Path(shard).name != shard or "\\" in shard)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedWeights(f"{index} is no index of shards: fetch or copy it again") from error
    if outside:
        raise DamagedWeights(f"{index} names {outside[0]}, outside its folder: the index is damaged or hostile; fetch it again")
    return shards


def _check_shards(path: Path) -> None:
    lacking = sorted(shard for shard in set(shard_of_each(path).values()) if not (path.parent / shard).is_file())
    if lacking:
        raise DamagedWeights(f"{path} names {lacking[0]}, which is missing: fetch or copy it again")


def load_pickle(path: Path) -> Any:
    """Read a .pth, .pt or .bin file, tensors and plain containers only, mapped where the format allows.

    Raises:
        DamagedWeights: the file is cut short or is no pickle.
        WrongInput: it needs code to load, which is refused, or is no pickle of torch's.
    """
    import torch

    from harness.memory import out_of_memory

    check_whole(path)
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of protocols that are refused below
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)|[Uu]nsupported (?:class|global):? (?!GLOBAL)(\S+)", str(error))
        with path.open("rb") as stream:
            begin = stream.read(2)
        if found is None and begin[:1] == pickle.PROTO and begin[1] > TORCH_PROTOCOL:
            raise WrongInput(f"{path} is a pickle of protocol {begin[1]}, which is not read: save its tensors as safetensors") from error
        if found is None:
            raise DamagedWeights(f"{path} is no weight file or is cut short: fetch or copy it again") from error
        needs = next(filter(None, found.groups()))
        raise WrongInput(
            f"{path} is a pickle that needs code to load ({needs}), which is refused: save its tensors as safetensors"
        ) from error
    except (EOFError, RuntimeError, ValueError, KeyError) as error:
        if out_of_memory(error):
            raise
        raise DamagedWeights(f"{path} is no weight file or is cut short: fetch or copy it again") from error


def read_tensors(path: Path) -> dict[str, Any]:
    """Tensors by name, from a safetensors file or a pickle; what else a pickle holds is left out.

    Raises:
        DamagedWeights: the file is cut short, or holds no tensors by name.
        WrongInput: a pickle that is not read.
    """
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        check_whole(path)
        return load_file(path)
    held = load_pickle(path)
    tensors = {name: value for name, value in held.items() if isinstance(value, torch.Tensor)} if isinstance(held, dict) else {}
    if not tensors:
        raise DamagedWeights(f"{path} holds a {type(held).__name__} and no weights by name: fetch or copy it again")
    return tensors


def check_keys(source: Path, wanted: Mapping[str, Iterable[int]], found: Mapping[str, Iterable[int]]) -> None:
    """Compare names and shapes of tensors; extra names are let through.

    Raises:
        WrongInput: names are missing or shapes differ; the first of them are named.
    """
    missing = [name for name in wanted if name not in found]
    if missing:
        extra = [name for name in found if name not in wanted]
        instead = f" and has {', '.join(extra[:3])} instead" if extra else ""
        raise WrongInput(
            f"{source} is another model's: it lacks {len(missing)} of {len(wanted)} weights, first "
            f"{', '.join(missing[:3])}{instead}; give the file of this model"
        )
    wrong = [
        f"{name} is {tuple(found[name])} instead of {tuple(shape)}"
        for name, shape in wanted.items()
        if tuple(found[name]) != tuple(shape)
    ]
    if wrong:
        raise WrongInput(
            f"{source} contradicts the configuration in {len(wrong)} weights, first {'; '.join(wrong[:2])}: the configured "
            "size is another model's"
        )
