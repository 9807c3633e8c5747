"""One run, one folder: manifest, one part per finished unit, images, and the tables made of the parts."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from harness.errors import RunFailed, WrongInput
from results.failures import Failures
from results.files import MANIFEST, TEMPORARY, check_run_folder, is_whole_png, remove_temporary, write_atomic
from results.join import join
from results.manifest import differences, read_manifest
from results.parts import DamagedPart, Making, Rows, decode, encode, images_of, making_of, tables_of

CALIBRATION = "calibration.json"
UNITS = "units.json"
FINISHED = "finished.txt"


class DamagedUnits(WrongInput):
    """Raised where the list of a run's units cannot be read."""


class Incomplete(WrongInput):
    """Raised where tables are to be made and units are missing."""

    def __init__(self, missing: int, units: int, folder: Path) -> None:
        super().__init__(f"{missing} of {units} units are missing in {folder}: give the same command again to finish them")
        self.missing = missing


class Store:
    """The folder of one run; everything in it is written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failures = Failures(folder)

    def open(self, manifest: Mapping[str, Any], shared: bool = False) -> None:
        """Make the folder this run's, or go on with it; `shared` lets what others are writing be.

        Raises:
            WrongInput: the folder holds a different run, or files that are no run.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise WrongInput(f"{self.folder} is or lies in a file, not a folder: give a folder with --out") from error
        check_run_folder(self.folder)
        path = self.folder / MANIFEST
        merged = _merge(self.manifest(), manifest, self.folder) if path.exists() else dict(manifest)
        if not shared:
            remove_temporary(self.folder)
        self._write_manifest(merged)

    def add_environments(self, environments: Sequence[Any]) -> None:
        """Note where units that were taken over have been made."""
        own = self.manifest()
        self._write_manifest({**own, "environments": _joined(own["environments"], environments)})

    def _write_manifest(self, content: Mapping[str, Any]) -> None:
        _write_changed(self.folder / MANIFEST, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())

    def manifest(self) -> dict[str, Any]:
        """The manifest; raises WrongInput when it is missing or unreadable."""
        path = self.folder / MANIFEST
        try:
            return read_manifest(path)
        except FileNotFoundError:
            raise WrongInput(f"{self.folder} holds no run ({MANIFEST} is missing): give the folder of one") from None

    def calibration(self) -> dict[str, Any]:
        """Measured speeds that the run has been planned with, {} before; raises WrongInput when unreadable."""
        path = self.folder / CALIBRATION
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError) as error:
            raise WrongInput(f"{path} is damaged ({error}): give another folder with --out") from error

    def keep_calibration(self, speeds: Mapping[str, Any]) -> None:
        """Write the speeds on first use.

        Raises:
            WrongInput: another process has written others meanwhile.
        """
        if not self.calibration():
            write_atomic(self.folder / CALIBRATION, (json.dumps(speeds) + "\n").encode())
        elif self.calibration() != json.loads(json.dumps(speeds)):
            raise WrongInput(f"{self.folder} was begun by another process meanwhile: give the same command again")

    def keep_units(self, keys: Sequence[str]) -> None:
        """Write which units the run has, in the order of its tables: what tells how much of an unfinished run is there."""
        _write_changed(self.folder / UNITS, (json.dumps(list(keys)) + "\n").encode())

    def units(self) -> list[str]:
        """The units of the run, [] where it does not say; raises WrongInput when unreadable."""
        path = self.folder / UNITS
        try:
            return list(map(str, json.loads(path.read_text(encoding="utf-8"))))
        except FileNotFoundError:
            return []
        except (ValueError, TypeError) as error:
            raise DamagedUnits(f"{path} is damaged ({error}): the same `vistas run` command writes it again") from error

    def whole_parts(self) -> Iterator[dict[str, pa.Table]]:
        """Tables of the units that are there whole, with their images, in the run's order; nothing is changed, so others may be writing."""
        keys = self.units() or sorted(path.stem for path in (self.folder / "parts").glob("*.part"))
        return (tables for tables in map(self.whole_part, keys) if tables is not None)

    def whole_part(self, key: str) -> dict[str, pa.Table] | None:
        """A unit's tables where it is there whole, with its images, else None; nothing is changed."""
        try:
            tables = decode(key, self.part_path(key).read_bytes())
        except (FileNotFoundError, DamagedPart):
            return None
        return None if self._lost_images(tables) else tables

    def part(self, key: str) -> dict[str, pa.Table] | None:
        """A finished unit's tables, None when missing; a damaged part is named, set aside and counts as missing.

        Raises RunFailed where it, or an image of it, is there and cannot be read.
        """
        path = self.part_path(key)
        try:
            tables = decode(key, path.read_bytes())
            lost = self._lost_images(tables)
            for relative in lost:
                (self.folder / relative).unlink(missing_ok=True)  # it is made anew
            if lost:
                raise DamagedPart(f"its image {lost[0]} is missing or cut short")
        except FileNotFoundError:
            return None
        except OSError as error:  # not of the tables that are being written meanwhile
            raise RunFailed(f"reading {error.filename or path} failed ({error.strerror}): see to that and give the same command again; "
                            "finished units are kept") from error
        except DamagedPart as error:
            aside = path.with_name(path.name + ".damaged")
            path.replace(aside)
            print(f"damaged part {path}: {error}; set aside as {aside.name}, its unit is run again", file=sys.stderr)
            return None
        return tables

    def _lost_images(self, tables: Mapping[str, pa.Table]) -> list[str]:
        """Images that are missing or cut short: they are not synced one by one, which would be slow, so their unit is not finished."""
        return [relative for relative in images_of(tables) if not is_whole_png(f"{self.folder}/{relative}")]

    def finished(self) -> int:
        """How many units have been finished here."""
        return sum(1 for _ in (self.folder / "parts").glob("*.part"))

    def save(self, key: str, rows: Rows, making: Making = Making()) -> None:  # noqa: B008 - immutable
        """Commit a finished unit; its images must have been saved before."""
        write_atomic(self.part_path(key), encode(key, tables_of(rows), making))
        self.failures.forget(key)

    def makings(self, keys: Sequence[str] = ()) -> dict[str, Making]:
        """How each of these units, by default all that are there, was made."""
        paths = map(self.part_path, keys) if keys else sorted((self.folder / "parts").glob("*.part"))
        return {path.stem: _making(path) for path in paths}

    def sources(self, keys: Sequence[str] = ()) -> Counter[str]:
        """How many of these units, by default all that are there, each source has made; "" where it is not known."""
        return Counter(making.source for making in self.makings(keys).values())

    def ungraded(self, keys: Sequence[str]) -> int:
        """How many images that these units selected have no grade because weights of the suite's graders were not there."""
        return sum(_making(self.part_path(key)).ungraded for key in keys)

    def save_image(self, image_CHW: Any) -> str:
        """Save uint8 [3, H, W] as a PNG named by its content; returns its path within the folder."""
        image_HWC = image_CHW.permute(1, 2, 0).contiguous().numpy()
        name = hashlib.sha256(f"{image_HWC.shape}".encode() + image_HWC.tobytes()).hexdigest()[:32]
        relative = f"images/{name[:2]}/{name}.png"
        path = self.folder / relative
        if not is_whole_png(path):
            buffer = io.BytesIO()
            Image.fromarray(image_HWC).save(buffer, format="PNG")
            write_atomic(path, buffer.getvalue(), sync=False)
        return relative

    def compact(self, keys: Sequence[str]) -> None:
        """Join the parts of `keys`, in that order, into one Parquet file per table.

        Raises:
            Incomplete: units are missing; the tables are as they were.
        """
        for half in self.folder.glob(f"*.parquet.*{TEMPORARY}"):  # of a process that was killed at this
            half.unlink(missing_ok=True)
        join(self._all_parts(keys), self.folder)

    def _all_parts(self, keys: Sequence[str]) -> Iterator[dict[str, pa.Table]]:
        """The parts of all units, one by one; raises Incomplete at the end where some are missing."""
        missing = 0
        for key in keys:
            part = self.part(key)
            if part is None:
                missing += 1
            elif not missing:
                yield part
        if missing:
            raise Incomplete(missing, len(keys), self.folder)

    def part_path(self, key: str) -> Path:
        """The file of a unit, there or not."""
        return self.folder / "parts" / f"{key}.part"


def _making(path: Path) -> Making:
    with path.open("rb") as part:
        return making_of(part.readline())


def _merge(old: Mapping[str, Any], new: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The manifest of a run gone on with: environments that took part are added, nothing else changes."""
    found = differences(new, old)
    if found:
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
        raise WrongInput(
            f"{folder} holds a different run: {'; '.join(found[:3])}{more}; give another folder with --out (`vistas run --reuse "
            f"{folder}` takes over what both have, but under budgets in seconds)"
        )
    return {**old, "environments": _joined(old["environments"], new["environments"])}


def _joined(old: Sequence[Any], new: Sequence[Any]) -> list[Any]:
    return [*old, *(one for one in new if one not in old)]


def _write_changed(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        write_atomic(path, content)
