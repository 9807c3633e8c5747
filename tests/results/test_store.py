"""The run folder: whole files only, damage noticed, other runs refused."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from harness.compute.ledger import COST_COLUMNS
from harness.errors import RunFailed, WrongInput
from results.environment import environment
from results.files import TEMPORARY, locked, write_atomic
from results.manifest import differences, manifest
from results.parts import DamagedPart, Making, decode
from results.schema import COST, TABLES, arrow_schema
from results.store import Incomplete, Store

LOSSES = [
    lambda path: path.unlink(),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(path.read_bytes()[:-1]),
    lambda path: path.write_bytes(bytes(path.stat().st_size)),
]
"""What may become of an image: gone, empty, cut short, or zeros where the machine stopped before it was on the disk."""
DEFAULTS: dict[str, Any] = {"string": "", "int64": 1, "double": math.nan, "bool": True}


def row(table: str, **values: Any) -> dict[str, Any]:
    return {column.name: DEFAULTS[str(column.type)] for column in TABLES[table]} | values


def rows(score: float) -> dict[str, list[dict[str, Any]]]:
    return {
        "candidates": [row("candidates", score=score, order=order, nfe=2**40) for order in range(3)],
        "selections": [row("selections", score=score, prompt='a "quoted"\nprompt …')],
    }


def a_manifest(**configuration: Any) -> dict[str, Any]:
    asked = {"prompts": 6, "searches": [], "verifiers": [], **configuration}
    return manifest(asked, {"name": "s"}, {"m": {"weights": "1"}}, {}, {}, {"python": "3"}, [])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "run")
    store.open(a_manifest())
    return store


def test_a_run_is_read_as_utf8_whatever_the_locale(store: Store) -> None:
    kept = a_manifest(prompts_from="é.txt")
    Store(store.folder.parent / "other").open(kept)
    script = "import sys, pathlib, results.store as s; print(ascii(s.Store(pathlib.Path(sys.argv[1])).manifest()))"
    done = subprocess.run(
        [sys.executable, "-c", script, str(store.folder.parent / "other")], cwd=Path(__file__).parents[2], capture_output=True, text=True,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )  # fmt: skip
    assert done.stdout.strip() == ascii(kept), done.stderr


def test_tables_are_the_parts_in_the_order_given(store: Store) -> None:
    for key, score in (("b", 0.1), ("a", 1 / 3)):
        store.save(key, rows(score))
    store.compact(["b", "a"])
    table = pq.read_table(store.folder / "candidates.parquet")
    assert table.column("score").to_pylist() == [0.1] * 3 + [1 / 3] * 3
    assert math.isnan(table.column("truth")[0].as_py())
    assert table.schema.equals(arrow_schema(TABLES["candidates"]), check_metadata=True)
    assert pq.read_table(store.folder / "scores.parquet").num_rows == 0


def test_equal_parts_give_equal_bytes(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    other.open(a_manifest())
    for one in (store, other):
        one.save("a", rows(0.5))
        one.compact(["a"])
    for name in TABLES:
        assert (store.folder / f"{name}.parquet").read_bytes() == (other.folder / f"{name}.parquet").read_bytes()


def test_compact_refuses_missing_units(store: Store) -> None:
    store.save("a", rows(0.5))
    with pytest.raises(WrongInput, match="1 of 2 units are missing"):
        store.compact(["a", "b"])
    assert not list(store.folder.glob("*.parquet*"))


def test_tables_that_lack_a_unit_are_not_made_and_older_ones_stay(store: Store) -> None:
    store.save("a", rows(0.5))
    store.compact(["a"])
    before = (store.folder / "candidates.parquet").read_bytes()
    store.save("b", rows(0.7))
    with pytest.raises(Incomplete) as raised:
        store.compact(["b", "gone", "a", "lost"])
    assert raised.value.missing == 2
    assert (store.folder / "candidates.parquet").read_bytes() == before


def test_what_a_killed_process_has_left_of_tables_is_removed(store: Store) -> None:
    store.save("a", rows(0.5))
    (store.folder / f"scores.parquet.17{TEMPORARY}").write_bytes(b"half")
    store.compact(["a"])
    assert not list(store.folder.glob(f"*{TEMPORARY}"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
        lambda content: b"",
        lambda content: b"\x00" * 100,
        lambda content: b"{}\n",
        lambda content: content.replace(b'"unit": "a"', b'"unit": "z"'),
    ],
)
def test_damaged_part_is_named_set_aside_and_missing(
    store: Store, damage: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save("a", rows(0.5))
    path = store.folder / "parts" / "a.part"
    path.write_bytes(damage(path.read_bytes()))
    assert store.part("a") is None
    assert f"damaged part {path}: " in capsys.readouterr().err
    assert [entry.name for entry in path.parent.iterdir()] == ["a.part.damaged"]
    assert store.part("a") is None


def test_a_flipped_bit_anywhere_is_damage(store: Store) -> None:
    store.save("a", rows(0.5))
    content = (store.folder / "parts" / "a.part").read_bytes()
    header = content.index(b"\n") + 1
    assert decode("a", content).keys() == TABLES.keys()
    for place in (*range(header), *range(header, len(content), len(content) // 40), len(content) - 1):
        for bit in (1, 32) if place < header else (1,):
            damaged = content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]
            with pytest.raises(DamagedPart):
                decode("a", damaged)
    for damaged in (content + b"x", content[:header], content.replace(b'"bytes": [', b'"bytes": [1, ')):
        with pytest.raises(DamagedPart):
            decode("a", damaged)


def test_full_disk_keeps_finished_parts_and_leaves_no_rest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save("a", rows(0.5))
    kept = (store.folder / "parts" / "a.part").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for key in ("a", "b"):
        with pytest.raises(RunFailed, match="no space left on disk") as raised:
            store.save(key, rows(0.7))
        assert "\n" not in str(raised.value)
    assert [entry.name for entry in (store.folder / "parts").iterdir()] == ["a.part"]
    assert (store.folder / "parts" / "a.part").read_bytes() == kept


def test_a_folder_that_cannot_be_written_to_any_more_is_named_with_what_to_do(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "replace", read_only)
    with pytest.raises(RunFailed, match=r"writing to .*parts failed .*Read-only.*: see to that and give the same command again; finished"):
        store.save("a", rows(0.5))
    assert not list((store.folder / "parts").iterdir())


def test_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomic(tmp_path / "file", b"old")

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"


def test_opening_again_clears_what_interruptions_left_and_changes_nothing_else(store: Store) -> None:
    rest = store.folder / "parts" / f"a.part{TEMPORARY}"
    rest.parent.mkdir()
    rest.write_bytes(b"half")
    before = (store.folder / "manifest.json").stat().st_mtime_ns
    store.open(a_manifest())
    assert not rest.exists()
    assert (store.folder / "manifest.json").stat().st_mtime_ns == before


def test_killed_while_the_manifest_was_written(tmp_path: Path) -> None:
    rest = tmp_path / f"manifest.json{TEMPORARY}"
    rest.write_bytes(b"{")
    store = Store(tmp_path)
    store.open(a_manifest())
    assert not rest.exists()
    assert store.manifest()["configuration"]["prompts"] == 6


def test_the_accelerator_is_the_card_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: {"cuda:1": "the second"}.get(device, "the first"))
    assert environment("cuda:1")["accelerator"] == "the second"
    assert environment("cpu")["accelerator"] == ""


def test_another_environment_is_added(store: Store) -> None:
    store.open({**a_manifest(), "environments": [{"python": "4"}]})
    assert store.manifest()["environments"] == [{"python": "3"}, {"python": "4"}]


def test_a_different_run_is_refused_by_name(store: Store) -> None:
    with pytest.raises(WrongInput, match=r"configuration\.prompts is 7 here and 6 there"):
        store.open(a_manifest(prompts=7))
    assert store.manifest()["configuration"]["prompts"] == 6


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(WrongInput, match="not empty and holds no run"):
        Store(tmp_path).open(a_manifest())
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter.txt"]


def test_a_damaged_manifest_is_refused(store: Store) -> None:
    (store.folder / "manifest.json").write_text("{")
    with pytest.raises(WrongInput, match="is damaged"):
        store.open(a_manifest())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: [content], "it is no object"),
        (lambda content: {key: value for key, value in content.items() if key != "environments"}, "environments is absent"),
        (lambda content: {**content, "schema_version": "five"}, 'schema_version is "five"'),
        (lambda content: {**content, "configuration": {"searches": [], "verifiers": "all"}}, 'configuration.verifiers is "all"'),
    ],
)
def test_a_manifest_that_a_hand_has_broken_is_refused_with_a_way_out(store: Store, change: Any, said: str) -> None:
    path = store.folder / "manifest.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(WrongInput, match=rf"is damaged \({said}\): put back a copy of it; or give .* this one with --reuse"):
        store.open(a_manifest())


def test_differences_name_nested_and_missing_values() -> None:
    found = differences(a_manifest(keep=1), a_manifest(chunk=[1]))
    assert found == [
        "configuration.keep is 1 here and absent there", "configuration.chunk is absent here and [1] there",
    ]  # fmt: skip
    assert differences(a_manifest(), {**a_manifest(), "environments": []}) == []


def test_grades_of_other_ends_are_of_another_run() -> None:
    ours, other = ({**a_manifest(), "suite": {"name": "s", "scores": {"color": ends}}} for ends in ([0, 1], [0, 2]))
    assert differences(ours, other) == ["suite.scores.color is [0, 1] here and [0, 2] there"]


def test_images_are_what_was_scored_and_named_by_content(store: Store) -> None:
    image = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)
    relative = store.save_image(image)
    assert store.save_image(image.clone()) == relative
    assert store.save_image(255 - image) != relative
    saved = np.asarray(Image.open(store.folder / relative))
    assert torch.equal(torch.from_numpy(saved.copy()).permute(2, 0, 1), image)


@pytest.mark.parametrize("lose", LOSSES)
def test_a_part_without_its_images_is_redone(store: Store, lose: Any) -> None:
    relative = store.save_image(torch.zeros(3, 4, 4, dtype=torch.uint8))
    finished = {"selections": [row("selections", image=relative)]}
    store.save("a", finished)
    assert store.part("a") is not None
    lose(store.folder / relative)
    assert store.part("a") is None
    assert store.save_image(torch.zeros(3, 4, 4, dtype=torch.uint8)) == relative
    store.save("a", finished)
    assert store.part("a") is not None


def test_an_image_that_cannot_be_read_is_not_made_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    relative = store.save_image(torch.zeros(3, 4, 4, dtype=torch.uint8))
    store.save("a", {"selections": [row("selections", image=relative)]})

    def denied(path: Any, flags: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", denied)
    for read in (store.part, lambda key: store.compact([key])):
        with pytest.raises(RunFailed, match=rf"^reading .*{relative} failed \(Permission denied\): see to that and give the same command"):
            read("a")
    monkeypatch.undo()
    assert store.part("a") is not None


@pytest.mark.parametrize("lose", LOSSES[1:])
def test_what_a_stopped_machine_has_left_of_an_image_is_not_taken_for_it(store: Store, lose: Any) -> None:
    image = torch.zeros(3, 4, 4, dtype=torch.uint8)
    path = store.folder / store.save_image(image)
    whole = path.read_bytes()
    lose(path)
    store.save_image(image)
    assert path.read_bytes() == whole


def test_all_empty_images_of_a_part_are_saved_again(store: Store) -> None:
    images = [torch.full((3, 4, 4), value, dtype=torch.uint8) for value in (0, 255)]
    finished = {"selections": [row("selections", image=store.save_image(image)) for image in images]}
    store.save("a", finished)
    for path in (store.folder / "images").rglob("*.png"):
        path.write_bytes(b"")
    assert store.part("a") is None
    for image in images:
        store.save_image(image)
    store.save("a", finished)
    assert store.part("a") is not None


@pytest.mark.parametrize("lose", LOSSES)
def test_whole_parts_have_all_their_images_and_lost_ones_are_let_be(store: Store, lose: Any) -> None:
    for key, value in (("a", 0), ("b", 255)):
        relative = store.save_image(torch.full((3, 4, 4), value, dtype=torch.uint8))
        store.save(key, {"selections": [row("selections", unit=key, image=relative)]})
    lose(store.folder / relative)
    before = {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()}
    assert [part["selections"]["unit"].to_pylist() for part in store.whole_parts()] == [["a"]]
    assert {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()} == before


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(WrongInput, match="another process is writing"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_file_system_without_locks_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some of clusters are mounted: without locks two processes would write one run's tables."""

    def unable(file: object, kind: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("results.files.fcntl.flock", unable)
    said = f"{tmp_path} is on a file system that locks no files \\(Function not implemented\\): give a folder elsewhere with --out"
    with pytest.raises(WrongInput, match=said), locked(tmp_path):
        pass


def test_every_column_is_declared_with_a_meaning() -> None:
    assert tuple(column.name for column in COST) == COST_COLUMNS
    for columns in TABLES.values():
        assert len({column.name for column in columns}) == len(columns)
        assert all(column.meaning for column in columns)


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(WrongInput, match="not a folder"):
        Store(tmp_path / "taken").open({})


def test_parts_say_how_they_were_made(store: Store) -> None:
    store.save("a", rows(0.5))
    plain = store.part_path("a").read_bytes().partition(b"\n")[0]
    assert b"source" not in plain
    assert b"ungraded" not in plain
    store.save("b", rows(0.5), Making("one", 2))
    store.save("c", rows(0.5), Making("two", 3, "a card", 2, 64))
    assert all(store.part(key) is not None for key in "abc")
    assert store.sources() == {"": 1, "one": 1, "two": 1}
    assert (store.ungraded("abc"), store.ungraded("ab")) == (5, 2)
    assert store.makings("ac") == {"a": Making(), "c": Making("two", 3, "a card", 2, 64)}


def test_whole_parts_are_read_in_the_order_of_the_run_and_damaged_ones_let_be(store: Store) -> None:
    for key in ("a", "b", "c", "stale"):
        store.save(key, {"scores": [row("scores", unit=key)]})
    assert len(list(store.whole_parts())) == 4
    store.keep_units(["c", "missing", "b", "a"])
    damaged = store.folder / "parts" / "b.part"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert [part["scores"]["unit"].to_pylist() for part in store.whole_parts()] == [["c"], ["a"]]
    assert damaged.is_file()
    assert store.units() == ["c", "missing", "b", "a"]
