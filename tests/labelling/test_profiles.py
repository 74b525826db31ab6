"""Profiles that are measured, kept with an output, and used again: whatever happens, as in one undisturbed run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import pcqtool
from pcqtool.batch import plan as plan_module
from pcqtool.batch import sample
from pcqtool.batch.merge import merge
from pcqtool.batch.output import RunOutput
from pcqtool.errors import ProfileError, SettingsError, TableError
from pcqtool.labelling.api import label_job
from pcqtool.model.profile_file import BatchProfile, read_profile
from pcqtool.tables.reader import read_events, read_files, read_segments


class KilledError(BaseException):
    """Stands for ``kill -9``."""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(plan_module, "PART_FILES", 2)
    for name in ("BATCH_FILES", "LEAST_FILES"):
        monkeypatch.setattr(sample, name, 4)


@pytest.fixture
def label(profiled_model, call_folder, tmp_path):
    """Label the calls with a model that uses profiles."""

    def run(out, inputs=call_folder, model=profiled_model, **options):
        return pcqtool.label(inputs, tmp_path / out, model=model, vad=False, jobs=2, **options)

    return run


def rows(out: Path) -> list[pl.DataFrame]:
    by_time = ["file", "channel", "start_s"]
    return [read_files(out).sort(by_time[:2]), read_segments(out).sort(by_time), read_events(out).sort(by_time)]


def assert_same(out: Path, expected: Path) -> None:
    for one, other in zip(rows(out), rows(expected), strict=True):
        assert_frame_equal(one, other)


def digest_of(out: Path) -> str:
    return pcqtool.read_results(out).provenance.settings["profile"]


def profiles_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.profile"))


@contextmanager
def killed_at(monkeypatch, method: str, call: int = 1):
    """Let a method of ``RunOutput`` end its process when it is called for the ``call``-th time."""
    original, n_calls = getattr(RunOutput, method), 0

    def deadly(self, *arguments, **options):
        nonlocal n_calls
        n_calls += 1
        if n_calls == call:
            raise KilledError
        return original(self, *arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(KilledError):  # noqa: PT012
        patch.setattr(RunOutput, method, deadly)
        yield


@pytest.mark.parametrize("out", ["r.parquet", "parts"])
def test_the_profile_is_kept_with_the_output_and_named_in_its_provenance(label, tmp_path, out):
    label(out)
    (path,) = profiles_in(tmp_path)
    assert path == {"r.parquet": "r.parquet.profile", "parts": "parts/profiles/00000.profile"}[out]
    profile = read_profile(tmp_path / path)
    assert digest_of(tmp_path / out) == profile.digest
    assert (profile.model, profile.n_files) == ("profiled", 4)
    label("off.parquet", profile="off")
    assert digest_of(tmp_path / "off.parquet") == "off"
    with_profile, without = (read_segments(tmp_path / name)["prob_anger"] for name in (out, "off.parquet"))
    assert (with_profile - without).abs().max() > 1e-3
    assert profiles_in(tmp_path) == [path]


@pytest.mark.parametrize("out", ["r.parquet", "parts"])
def test_later_nights_use_the_profile_of_the_first(label, tmp_path, call_folder, write_wave, out):
    first = label(out)
    digest, before = digest_of(tmp_path / out), first.segments
    for number in range(20):
        write_wave(f"calls/later-{number}.wav", seconds=4.0, seed=100 + number)
    label(out)
    assert digest_of(tmp_path / out) == digest
    again = read_segments(tmp_path / out).filter(~pl.col("file").str.starts_with("later"))
    assert_frame_equal(again.sort("file", "start_s"), before.sort("file", "start_s"))
    at_once = tmp_path / "at_once.parquet"
    label("at_once.parquet", profile=next(tmp_path.rglob("*.profile")))
    assert_same(tmp_path / out, at_once)


def test_a_second_run_measures_nothing_and_loads_no_torch(label, tmp_path, call_folder, profiled_model):
    label("r.parquet")
    program = (
        "import sys, pcqtool; pcqtool.label("
        f"{str(call_folder)!r}, {str(tmp_path / 'r.parquet')!r}, model={str(profiled_model)!r}, vad=False);"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("out", ["r.parquet", "parts"])
@pytest.mark.parametrize(
    ("method", "call"),
    [("note_inputs", 1), ("write_part", 1), ("write_part", 3), ("finish", 1), ("_keep_profile", 1)],
)
def test_a_killed_run_is_continued_as_if_undisturbed(label, tmp_path, monkeypatch, out, method, call):
    label("undisturbed.parquet")
    with killed_at(monkeypatch, method, call):
        label(out)
    label(out)
    assert_same(tmp_path / out, tmp_path / "undisturbed.parquet")
    assert len(profiles_in(tmp_path)) == 2


@pytest.mark.parametrize("out", ["r.parquet", "parts"])
def test_restart_measures_anew(label, tmp_path, write_wave, out):
    label(out)
    before = digest_of(tmp_path / out)
    for number in range(20):
        write_wave(f"calls/later-{number}.wav", seconds=4.0, seed=100 + number)
    label(out, restart=True)
    assert digest_of(tmp_path / out) != before
    label("fresh.parquet")
    assert_same(tmp_path / out, tmp_path / "fresh.parquet")
    assert len(profiles_in(tmp_path)) == 2


@pytest.mark.parametrize("out", ["r.parquet", "parts"])
@pytest.mark.parametrize("method", ["restart", "note_inputs", "write_part"])
def test_old_rows_count_with_their_profile_until_a_restart_has_finished_a_part(
    label, tmp_path, monkeypatch, write_wave, out, method
):
    label(out)
    before, old = digest_of(tmp_path / out), rows(tmp_path / out)
    for number in range(20):
        write_wave(f"calls/later-{number}.wav", seconds=4.0, seed=100 + number)
    with killed_at(monkeypatch, method):
        label(out, restart=True)
    label(out)
    assert digest_of(tmp_path / out) == before
    kept = [table.filter(~pl.col("file").str.starts_with("later")) for table in rows(tmp_path / out)]
    for one, other in zip(kept, old, strict=True):
        assert_frame_equal(one, other)
    assert len(profiles_in(tmp_path)) == 1


@pytest.mark.parametrize("out", ["r.parquet", "parts"])
@pytest.mark.parametrize("then", [{}, {"restart": True}])
def test_a_restart_that_was_killed_after_a_part_goes_on_with_its_new_profile(
    label, tmp_path, monkeypatch, write_wave, out, then
):
    label(out)
    for number in range(20):
        write_wave(f"calls/later-{number}.wav", seconds=4.0, seed=100 + number)
    with killed_at(monkeypatch, "write_part", 3):
        label(out, restart=True)
    label(out, **then)
    label("fresh.parquet")
    assert_same(tmp_path / out, tmp_path / "fresh.parquet")


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_shards_in_any_order_use_one_profile(label, tmp_path, order):
    label("alone.parquet")
    for number in order:
        label("parts", shard=f"{number}/3")
    assert profiles_in(tmp_path / "parts") == ["profiles/00000.profile"]
    merge([tmp_path / "parts"], tmp_path / "merged.parquet")
    assert_same(tmp_path / "merged.parquet", tmp_path / "alone.parquet")
    assert digest_of(tmp_path / "merged.parquet") == read_profile(tmp_path / "merged.parquet.profile").digest


def test_of_shards_that_measure_at_the_same_time_the_first_decides(label, tmp_path, monkeypatch, write_wave):
    """While one shard measures, another one does so with other recordings, and is done first."""
    original = sample.measure

    def slow(*arguments, **options):
        profile = original(*arguments, **options)
        monkeypatch.setattr(sample, "measure", original)
        for number in range(20):
            write_wave(f"calls/later-{number}.wav", seconds=4.0, seed=100 + number)
        label("parts", shard="2/2")
        return profile

    monkeypatch.setattr(sample, "measure", slow)
    label("parts", shard="1/2")
    label("parts", shard="1/2")
    assert profiles_in(tmp_path / "parts") == ["profiles/00000.profile"]
    merge([tmp_path / "parts"], tmp_path / "merged.parquet")
    label("alone.parquet", profile=tmp_path / "merged.parquet.profile")
    assert_same(tmp_path / "merged.parquet", tmp_path / "alone.parquet")


def test_shards_that_restart_share_a_new_profile(label, tmp_path, write_wave):
    for number in (1, 2):
        label("parts", shard=f"{number}/2")
    for number in range(20):
        write_wave(f"calls/later-{number}.wav", seconds=4.0, seed=100 + number)
    for number in (2, 1):
        label("parts", shard=f"{number}/2", restart=True)
    merge([tmp_path / "parts"], tmp_path / "merged.parquet")
    label("fresh.parquet")
    assert_same(tmp_path / "merged.parquet", tmp_path / "fresh.parquet")


def test_shards_in_folders_of_their_own_need_a_profile_from_a_file(label, tmp_path, call_folder, profiled_model):
    profile = pcqtool.profile(call_folder, tmp_path / "calls.profile", model=profiled_model, vad=False)
    for number in (1, 2):
        label(f"part{number}", shard=f"{number}/2", profile=tmp_path / "calls.profile")
    merge([tmp_path / "part1", tmp_path / "part2"], tmp_path / "merged.parquet")
    label("alone.parquet", profile=profile)
    assert_same(tmp_path / "merged.parquet", tmp_path / "alone.parquet")
    single = pcqtool.profile(call_folder / "3.wav", model=profiled_model, vad=False)
    label("other", shard="2/2", profile=single)
    with pytest.raises(TableError, match="different profiles") as fault:
        merge([tmp_path / "part1", tmp_path / "other"], tmp_path / "never.parquet")
    assert "--profile FILE" in fault.value.hint


def test_a_merged_table_goes_on_with_its_profile(label, tmp_path, write_wave):
    for number in (1, 2):
        label("parts", shard=f"{number}/2")
    merge([tmp_path / "parts"], tmp_path / "merged.parquet")
    write_wave("calls/later.wav", seconds=4.0, seed=100)
    label("merged.parquet")
    label("at_once.parquet", profile=tmp_path / "merged.parquet.profile")
    assert_same(tmp_path / "merged.parquet", tmp_path / "at_once.parquet")


def test_a_measured_profile_gives_the_same_rows_as_an_automatic_one(label, tmp_path, call_folder, profiled_model):
    label("auto.parquet")
    pcqtool.profile(call_folder, tmp_path / "calls.profile", model=profiled_model, vad=False, jobs=1)
    label("given.parquet", profile=tmp_path / "calls.profile")
    assert_same(tmp_path / "given.parquet", tmp_path / "auto.parquet")
    label("given.parquet")  # the output has a copy
    assert (tmp_path / "given.parquet.profile").read_bytes() == (tmp_path / "calls.profile").read_bytes()


@pytest.mark.parametrize("out", ["r.parquet", "parts"])
def test_a_missing_or_altered_profile_is_an_error_that_says_what_to_do(label, tmp_path, write_wave, out):
    label(out)
    (name,) = profiles_in(tmp_path)
    content = (tmp_path / name).read_bytes()
    label("other.parquet", inputs=write_wave("other/a.wav", seconds=9.0, seed=7))
    altered = (tmp_path / "other.parquet.profile").read_bytes()
    for wrong in (None, b"", content[:-3], altered):
        (tmp_path / name).unlink(missing_ok=True)
        if wrong is not None:
            (tmp_path / name).write_bytes(wrong)
        with pytest.raises(ProfileError, match=r"missing|is not the profile") as fault:
            label(out)
        assert "--restart" in fault.value.hint
    (tmp_path / "copy.profile").write_bytes(content)
    label(out, profile=tmp_path / "copy.profile")
    label(out)
    label(out, restart=True)


def test_rows_with_another_profile_or_none_are_not_mixed(label, tmp_path, write_wave, profiled_model):
    other = pcqtool.profile(write_wave("other/a.wav", seconds=9.0, seed=7), model=profiled_model, vad=False)
    label("r.parquet")
    label("off.parquet", profile="off")
    for out, choice in (
        ("r.parquet", "off"),
        ("r.parquet", other),
        ("r.parquet", "by=([0-9])"),
        ("off.parquet", "auto"),
        ("off.parquet", other),
    ):
        with pytest.raises(TableError, match="made with other settings: profile"):
            label(out, profile=choice)


def test_a_model_without_profiles_is_as_it_was(label, tmp_path, tiny_model):
    label("r.parquet", model=tiny_model)
    assert "profile" not in pcqtool.read_results(tmp_path / "r.parquet").provenance.settings
    label("r.parquet", model=tiny_model, profile="off")
    assert not profiles_in(tmp_path)
    for choice in ("by=(a)", tmp_path / "calls.profile"):
        with pytest.raises(SettingsError, match="uses no profile"):
            label("r.parquet", model=tiny_model, profile=choice)
    with pytest.raises(SettingsError, match="uses no profile"):
        pcqtool.profile(tmp_path, model=tiny_model)


def test_a_profile_of_another_model_is_refused(label, tmp_path, profiled_model, call_folder):
    shutil.copytree(profiled_model, tmp_path / "retrained")
    config = tmp_path / "retrained" / "config.json"
    config.write_text(config.read_text().replace("nothing at all", "something"))
    pcqtool.profile(call_folder, tmp_path / "calls.profile", model=tmp_path / "retrained", vad=False)
    with pytest.raises(ProfileError, match="another model called profiled"):
        label("r.parquet", profile=tmp_path / "calls.profile")
    with pytest.raises(ProfileError, match="another model called profiled"):
        pcqtool.load_model(profiled_model, profile=tmp_path / "calls.profile")


def test_a_profile_of_one_short_recording_changes_almost_nothing(label, tmp_path, write_wave):
    short = write_wave("short/a.wav", seconds=0.2, seed=1)
    for out, choice in (("r.parquet", "auto"), ("off.parquet", "off")):
        label(out, inputs=short, profile=choice)
    tables = [read_segments(tmp_path / name)["prob_anger"] for name in ("r.parquet", "off.parquet")]
    few = (tables[0] - tables[1]).abs().max()
    assert few < 0.01


def test_groups_have_profiles_of_their_own(label, tmp_path, write_wave):
    for line, loud in (("a", 0.1), ("b", 1.0)):
        for number in range(4):
            write_wave(f"lines/{line}/{number}.wav", seconds=3.0 * loud + 3.0, seed=number + (line == "b") * 50)
    write_wave("lines/other.wav", seconds=3.0, seed=77)
    lines = tmp_path / "lines"
    label("by.parquet", inputs=lines, profile="by=([ab])/")
    profile = read_profile(tmp_path / "by.parquet.profile")
    assert (list(profile.groups), profile.by) == (["a", "b"], "([ab])/")
    whole = BatchProfile(profile.whole, profile.model, profile.model_sha256, profile.n_files)
    label("whole.parquet", inputs=lines, profile=whole)
    one, other = (read_segments(tmp_path / name) for name in ("by.parquet", "whole.parquet"))
    differs = (one["prob_anger"] - other["prob_anger"]).abs() > 1e-6
    has_group = one["file"] != "other.wav"
    assert differs.filter(has_group).any()
    assert not differs.filter(~has_group).any()
    label("by.parquet", inputs=lines)
    write_wave("lines/c/0.wav", seconds=3.0, seed=88)
    label("by.parquet", inputs=lines, profile="by=([ab])/")
    with pytest.raises(TableError, match="made with other settings: profile"):
        label("by.parquet", inputs=lines, profile="by=([abc])/")
    for choice in ("by=", "by=(", "by=a"):
        with pytest.raises(SettingsError):
            label("new.parquet", inputs=lines, profile=choice)


def test_a_batch_without_speech_is_labelled_all_the_same(profiled_model, tmp_path, write_wave):
    write_wave("calls/a.wav", silent=True)
    for _ in range(2):
        results = pcqtool.label(tmp_path / "calls", tmp_path / "r.parquet", model=profiled_model)
    assert results.files["status"].to_list() == ["no_speech"]
    with pytest.raises(pcqtool.AudioError, match="speech"):
        pcqtool.profile(tmp_path / "calls", model=profiled_model)


def test_one_recording_is_standardised_by_a_given_profile(label, tmp_path, profiled_model, call_folder):
    label("r.parquet")
    path = tmp_path / "r.parquet.profile"
    expected = read_files(tmp_path / "r.parquet").row(by_predicate=pl.col("file") == "3.wav", named=True)
    for profile in (path, read_profile(path)):
        model = pcqtool.load_model(profiled_model, profile=profile, vad=False)
        found = model.predict(call_folder / "3.wav").probabilities
        assert found["anger"] == pytest.approx(expected["prob_anger"], abs=1e-5)
    plain = pcqtool.load_model(profiled_model, vad=False).predict(call_folder / "3.wav").probabilities
    assert abs(plain["anger"] - expected["prob_anger"]) > 1e-3


def test_a_copy_of_the_tables_has_the_profile_too(label, tmp_path, profiled_model, call_folder):
    results = pcqtool.label(call_folder, model=profiled_model, vad=False)
    results.write(tmp_path / "copy.parquet")
    label("copy.parquet")


def test_a_plan_states_where_the_profile_comes_from(label, tmp_path, profiled_model, call_folder):
    def described(choice):
        job = label_job(call_folder, tmp_path / "r.parquet", model=profiled_model, vad=False, profile=choice)
        _ = job.plan
        return job.profiling.describe(job.output)

    assert described("auto").startswith("to be measured on up to 4 recordings")
    assert "by ([0-9])" in described("by=([0-9])")
    assert described("off").startswith("off")
    label("r.parquet")
    assert described("auto").startswith("kept with the output: 4 recordings, ")
    assert described(tmp_path / "r.parquet.profile").startswith(str(tmp_path / "r.parquet.profile"))
    assert np.isfinite(read_profile(tmp_path / "r.parquet.profile").whole.mean).all()
