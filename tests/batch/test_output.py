from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pcqtool.batch import collect as collect_module
from pcqtool.batch import output as store_module
from pcqtool.batch.collect import collect
from pcqtool.batch.names import Source, signature_of
from pcqtool.batch.output import RunOutput
from pcqtool.errors import FileError, LockedError, TableError
from pcqtool.files import atomic
from pcqtool.labelling.task import SCHEMAS
from pcqtool.tables.order import in_order
from pcqtool.tables.reader import read_files
from pcqtool.tables.schema import events_schema, files_schema, segments_schema


def opened(out, provenance):
    columns = {kind: schema(provenance.labels).names for kind, schema in SCHEMAS.items()}
    return RunOutput(out, provenance, columns)


def add(store, files, segments):
    """A part of a run."""
    with store.appending_segments(segments.schema) as rows:
        rows.append(in_order(segments))
    events = [
        {"file": name, "channel": "0", "event": 0, "start_s": 0.0, "end_s": 3.0} for name in files["file"].to_pylist()
    ]
    store.write_part(files, pa.Table.from_pylist(events, events_schema(store.provenance.labels)))


class KilledError(BaseException):
    """Stands for ``kill -9``: nothing of the program's runs after it that would not run then."""


def tables_of(names, labels, size=1, n_segments=2):
    """The rows of some files; ``size`` shows in all of them, so that old and new ones can be told apart."""
    files = [{"file": n, "channel": "0", "n_segments": n_segments, "status": "ok", "size_bytes": size} for n in names]
    segments = [
        {"file": n, "channel": "0", "segment": i, "start_s": 3.0 * i, "end_s": 3.0 * i + size, "padded": False}
        for n in names
        for i in range(n_segments)
    ]
    return (
        pa.Table.from_pylist(files, files_schema(labels)),
        pa.Table.from_pylist(segments, segments_schema(labels)),
    )


def rows_in(paths, *columns):
    return sorted(
        tuple(row.values()) for path in paths for row in pq.read_table(path, columns=list(columns)).to_pylist()
    )


def content(out: Path):
    """All rows of an output, of whichever form."""
    files = [out] if out.is_file() else sorted(out.glob("files/part-*.parquet"))
    segments = [out.with_suffix(".segments.parquet")] if out.is_file() else sorted(out.glob("segments/part-*.parquet"))
    return rows_in(files, "file", "size_bytes"), rows_in(segments, "file", "start_s", "end_s")


def run(out, provenance, parts, size=1, n_segments=2, restart=False):
    """What ``pcqtool label`` does with a store; files whose size has changed are done again."""
    store = opened(out, provenance)
    with store.locked():
        done = {} if restart else store.done()
        todo = [[name for name in part if done.get(name, (0, 0))[0] != size] for part in parts]
        if restart:
            store.restart()
        store.prepare(frozenset(name for part in todo for name in part if name in done))
        for part in filter(None, todo):
            add(store, *tables_of(part, provenance.labels, size, n_segments))
        store.finish()


PARTS = [["a", "c"], ["b", "e"], ["d"]]


@pytest.fixture(params=["r.parquet", "parts"])
def out(tmp_path, request):
    return tmp_path / "out" / request.param


def test_both_forms_hold_the_same_rows(tmp_path, provenance):
    for name in ("r.parquet", "parts"):
        run(tmp_path / name, provenance, PARTS)
    assert content(tmp_path / "r.parquet") == content(tmp_path / "parts")
    assert [file for file, _ in content(tmp_path / "parts")[0]] == list("abcde")
    assert {path.name for path in tmp_path.iterdir()} == {
        "r.parquet", "r.segments.parquet", "r.events.parquet", "parts",
    }  # fmt: skip
    collect([opened(tmp_path / "parts", provenance)], tmp_path / "m.parquet", ("segments", "events"), provenance)
    for kind in ("", ".segments", ".events"):
        assert pq.read_table(tmp_path / f"m{kind}.parquet").equals(pq.read_table(tmp_path / f"r{kind}.parquet"))
    assert pq.read_table(tmp_path / "r.parquet", columns=["file"])["file"].to_pylist() == list("abcde")


def test_a_second_run_adds_what_is_new_and_replaces_what_has_changed(out, provenance):
    run(out, provenance, PARTS)
    run(out, provenance, [["aa", "f"]])
    run(out, provenance, [["c"], ["b"]], size=2, n_segments=1)
    run(out, provenance, [["e"]], size=3, n_segments=0)
    files, segments = content(out)
    assert files == [("a", 1), ("aa", 1), ("b", 2), ("c", 2), ("d", 1), ("e", 3), ("f", 1)]
    assert segments == sorted([(f, s, s + 1.0) for f in ("a", "aa", "d", "f") for s in (0.0, 3.0)] + [
        ("b", 0.0, 2.0), ("c", 0.0, 2.0),
    ])  # fmt: skip


def test_done_returns_the_signatures(out, provenance):
    times = np.random.default_rng(0).integers(1_600_000_000 * 10**9, 1_900_000_000 * 10**9, 300)
    sources = [Source(f"{i}", Path("x"), i, float(time) * 1e-9) for i, time in enumerate(times)] + [
        Source("missing", Path("x"), None, None)
    ]
    rows = [
        {"file": s.file, "n_segments": 0, "status": "ok", "size_bytes": signature_of(s)[0], "mtime": signature_of(s)[1]}
        for s in sources
    ]
    store = opened(out, provenance)
    with store.locked():
        assert store.done() == {}
        store.prepare()
        add(store, pa.Table.from_pylist(rows, files_schema(provenance.labels)), tables_of([], provenance.labels)[1])
        store.finish()
    assert opened(out, provenance).done() == {source.file: signature_of(source) for source in sources}


def killed_at(monkeypatch, number):
    """Kill the process at the given one of the steps by which files appear, change places, or vanish."""
    n_steps = 0

    def deadly(step):
        def wrapped(*arguments, **options):
            nonlocal n_steps
            n_steps += 1
            if n_steps > number:  # what clean-up the program would still do does not happen
                raise KilledError
            return step(*arguments, **options)

        return wrapped

    monkeypatch.setattr(Path, "replace", deadly(Path.replace))
    monkeypatch.setattr(Path, "unlink", deadly(Path.unlink))
    monkeypatch.setattr(os, "unlink", deadly(os.unlink))
    monkeypatch.setattr(os, "rmdir", deadly(os.rmdir))
    monkeypatch.setattr(shutil, "rmtree", _rmtree)


def _rmtree(path, ignore_errors):
    for entry in sorted(Path(path).glob("*")) if Path(path).exists() else ():
        _rmtree(entry, ignore_errors) if entry.is_dir() else os.unlink(entry)  # noqa: PTH108
    if Path(path).exists():
        os.rmdir(path)  # noqa: PTH106


def kept_in(out):
    """What a run has left, but for the numbers of parts, which go on where a restart is restarted."""
    return sorted(re.sub(r"part-\d+", "part", str(path.relative_to(out.parent))) for path in out.parent.rglob("*"))


SCENES = {
    "first run": {},
    "new files": {"parts": [["bb", "f"], ["cc"]]},
    "changed files": {"parts": [["c", "b"], ["x"]], "size": 2, "n_segments": 1},
    "restart": {"parts": PARTS[:2], "size": 4, "restart": True},
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_run_killed_at_any_step_is_finished_by_the_next(out, tmp_path, provenance, monkeypatch, scene):
    after = SCENES[scene]

    def play(path):
        run(path, provenance, after.get("parts", PARTS), **{k: v for k, v in after.items() if k != "parts"})

    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # a process that is killed loses nothing by it
    before, expected = tmp_path / "before" / out.name, tmp_path / "undisturbed" / out.name
    before.parent.mkdir()
    if after:
        run(before, provenance, PARTS)
    shutil.copytree(before.parent, expected.parent)
    play(expected)
    for number in range(200):
        shutil.copytree(before.parent, out.parent)
        with pytest.MonkeyPatch.context() as patch:
            killed_at(patch, number)
            try:
                play(out)
                survived = True
            except KilledError:
                survived = False
        if not survived:
            play(out)
        assert content(out) == content(expected), f"killed at step {number}"
        assert kept_in(out) == kept_in(expected), f"killed at step {number}"
        shutil.rmtree(out.parent)
        if survived:
            assert number > 5
            return
    pytest.fail("the run never came to its end")


def test_a_restart_keeps_the_old_rows_until_the_new_ones_are_there(out, tmp_path, provenance, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    parts, size = PARTS[:2], 4
    before, expected = tmp_path / "before" / out.name, tmp_path / "undisturbed" / out.name
    before.parent.mkdir()
    run(before, provenance, PARTS)
    run(expected, provenance, parts, size=size)
    old, new = content(before), content(expected)
    for number in range(200):
        shutil.copytree(before.parent, out.parent)
        with pytest.MonkeyPatch.context() as patch:
            killed_at(patch, number)
            try:
                run(out, provenance, parts, size=size, restart=True)
                break
            except KilledError:
                pass
        files = content(out)[0]
        assert set(old[0]) <= set(files) or set(files) >= set(new[0]), f"killed at step {number}: rows are lost"
        run(out, provenance, [["a", "c"], ["b", "e"]], size=size)  # goes on with the restart, or with the old rows
        assert content(out) in (new, (sorted([*new[0], ("d", 1)]), sorted([*new[1], ("d", 0.0, 1.0), ("d", 3.0, 4.0)])))
        shutil.rmtree(out.parent)
    assert number > 5
    assert content(out) == new


def test_a_restart_whose_first_part_cannot_be_written_changes_nothing(out, provenance, monkeypatch):
    run(out, provenance, PARTS)
    before = content(out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "write", lambda *_: (_ for _ in ()).throw(FileError("no space")))
        with pytest.raises(FileError):
            run(out, provenance, [["z"]], size=2, restart=True)
    assert content(out)[0] == before[0]
    run(out, provenance, [["f"]])
    assert content(out)[0] == [*before[0], ("f", 1)]


def test_a_reader_of_a_directory_sees_no_recording_twice_while_it_is_restarted(tmp_path, provenance):
    out = tmp_path / "parts"
    run(out, provenance, PARTS)
    store = opened(out, provenance)
    with store.locked():
        store.restart()
        assert sorted(read_files(out)["file"]) == list("abcde"), "nothing new yet"
        store.prepare()
        add(store, *tables_of(["a"], provenance.labels, 4))
        assert sorted(read_files(out)["file"]) == ["a"]


def test_an_interrupted_join_keeps_the_older_table(tmp_path, provenance, monkeypatch):
    out = tmp_path / "r.parquet"
    run(out, provenance, PARTS)
    before = content(out)
    monkeypatch.setattr(collect_module, "join", lambda *_: (_ for _ in ()).throw(FileError("no space")))
    with pytest.raises(FileError):
        run(out, provenance, [["a"], ["z"]], size=2)
    assert content(out) == before


def test_another_run_at_work_is_told(out, provenance):
    with opened(out, provenance).locked(), pytest.raises(LockedError), opened(out, provenance).locked():
        pass
    with opened(out, provenance).locked():  # and afterwards it is free
        pass


def test_other_settings_are_refused_and_the_difference_named(out, provenance):
    run(out, provenance, PARTS)
    other = replace(provenance, fingerprint="other", settings=provenance.settings | {"vad": False})
    with pytest.raises(TableError, match=r"vad True, not False") as refused:
        opened(out, other).done()
    assert "--restart" in refused.value.hint
    other = replace(provenance, fingerprint="other", model_sha256="cd" * 32, model="large")
    with pytest.raises(TableError, match="by model fake, not by model large"):
        opened(out, other).done()
    run(out, replace(other, labels=("joy", "fear")), [["z"]], restart=True)
    assert content(out)[0] == [("z", 1)]


def test_a_table_whose_segments_are_gone_is_refused_at_once(tmp_path, provenance):
    run(tmp_path / "r.parquet", provenance, PARTS)
    (tmp_path / "r.segments.parquet").unlink()
    with pytest.raises(TableError, match=r"r\.segments\.parquet is missing"):
        opened(tmp_path / "r.parquet", provenance).done()


FOREIGN = {
    "text": b"dear diary",
    "empty": b"",
    "other parquet": None,
}


@pytest.mark.parametrize("which", ["{}", "{}.segments", "parts/files/part-00000", "parts/segments/part-7"])
@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_not_of_pcqtool_is_never_touched(tmp_path, provenance, which, what):
    path = tmp_path / f"{which.format('r')}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    if (given := FOREIGN[what]) is None:
        pq.write_table(pa.table({"file": ["a"]}), path)
    else:
        path.write_bytes(given)
    before = path.read_bytes()
    out = tmp_path / ("parts" if "parts" in which else "r.parquet")
    for restart in (False, True):
        with pytest.raises(TableError, match="parquet") as refused:
            run(out, provenance, PARTS, restart=restart)
        assert "another --out" in refused.value.hint
        assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["results.old", "file/below.parquet", "file/below"])
def test_a_place_that_cannot_be_written_to_is_told_before_the_work(tmp_path, provenance, name):
    (tmp_path / name.partition("/")[0]).write_text("a file")
    with pytest.raises(FileError, match="cannot be written"), opened(tmp_path / name, provenance).locked():
        pass
    assert (tmp_path / name.partition("/")[0]).read_text() == "a file"


def test_a_folder_that_takes_no_files_is_told_before_the_work(out, provenance, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store_module.tempfile, "TemporaryFile", refuse)
    with pytest.raises(FileError, match="Permission denied"):
        opened(out, provenance).prepare()


def test_the_present_folder_can_be_the_output(tmp_path, provenance, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(Path(), provenance, PARTS)
    assert len(content(tmp_path)[0]) == 5


def test_leftovers_of_a_killed_writer_are_cleared_away(out, provenance):
    run(out, provenance, PARTS)
    store = opened(out, provenance)
    folders = [out.parent, store.folder / "files", store.folder / "segments"]
    for folder in folders[: 1 if store.is_table else 3]:
        (folder / f".{out.name}.0123abcd{atomic.TEMPORARY_SUFFIX}").write_bytes(b"half")
    other = out.parent / f".other.parquet.0123abcd{atomic.TEMPORARY_SUFFIX}"
    other.write_bytes(b"of another run, which may be at work")
    run(out, provenance, [["new"]])
    assert [path for path in out.parent.rglob("*.tmp") if store.is_table or path.parent != out.parent] == (
        [other] if store.is_table else []
    )
