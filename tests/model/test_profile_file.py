from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load, save

from pcqtool.errors import ProfileError, SettingsError
from pcqtool.model.profile import Profile
from pcqtool.model.profile_file import NOTHING, BatchProfile, group_name, read_profile, write_profile

finite = st.floats(-1e6, 1e6)


def profile_of(rng: np.random.Generator, seconds: float = 9.5, n: int = 5) -> Profile:
    mean = rng.normal(size=n)
    return Profile(seconds, mean, mean**2 + 0.1, mean**2 + 1.0)


@pytest.fixture
def profile() -> BatchProfile:
    rng = np.random.default_rng(0)
    groups = {name: profile_of(rng, seconds) for name, seconds in (("17", 30.0), ("04", 60.25))}
    return BatchProfile(profile_of(rng), "tiny", "ab" * 32, 12, "line-([0-9]+)", groups)


def test_what_was_written_is_read(tmp_path, profile):
    write_profile(tmp_path / "deep" / "calls.profile", profile)
    found = read_profile(tmp_path / "deep" / "calls.profile")
    assert (found.model, found.model_sha256, found.n_files, found.by) == ("tiny", "ab" * 32, 12, "line-([0-9]+)")
    assert list(found.groups) == ["04", "17"]
    assert found.whole.speech_s == 9.5
    np.testing.assert_array_equal(found.groups["17"].square, profile.groups["17"].square)
    assert found.digest == profile.digest
    assert found.to_bytes() == profile.to_bytes() == (tmp_path / "deep" / "calls.profile").read_bytes()


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, (2, 3, 4), elements=finite), st.floats(0, 1e9), st.integers(0, 10**9), st.text())
def test_any_profile_survives_its_file(tmp_path_factory, values, seconds, n_files, name):
    profile = BatchProfile(Profile(seconds, *values[0]), name, name, n_files, "(.*)", {name: Profile(1.0, *values[1])})
    path = tmp_path_factory.mktemp("profiles") / "p"
    write_profile(path, profile)
    assert read_profile(path).digest == profile.digest
    np.testing.assert_array_equal(read_profile(path).whole.mean, values[0][0])


def test_whatever_changes_results_changes_the_digest(profile):
    other = Profile(9.5, profile.whole.mean + 1e-3, profile.whole.between, profile.whole.square)
    variants = [
        BatchProfile(whole, "tiny", sha, 12, by, groups)
        for whole in (profile.whole, other)
        for sha in ("ab" * 32, "cd" * 32)
        for by, groups in ((profile.by, profile.groups), ("(.)", profile.groups), ("", None))
    ]
    assert len({each.digest for each in variants}) == len(variants)


def test_a_batch_without_speech_has_a_file_too(tmp_path):
    write_profile(tmp_path / "p", BatchProfile(NOTHING, "tiny", "ab" * 32, 0))
    found = read_profile(tmp_path / "p")
    assert (found.whole.speech_s, found.whole.mean.shape, found.n_files) == (0.0, (0,), 0)


def described(profile: BatchProfile, **entries: object) -> bytes:
    content = profile.to_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    about = json.loads(header["__metadata__"]["pcqtool"])
    return save(load(content), {"pcqtool": json.dumps(about | entries)})


@pytest.mark.parametrize(
    "entries",
    [
        {"groups": ["17"]},
        {"groups": ["17", "17"]},
        {"groups": [1, 2]},
        {"speech_s": [1.0]},
        {"speech_s": [1.0, float("nan"), 1.0]},
        {"speech_s": [1.0, -1.0, 1.0]},
        {"speech_s": "long"},
        {"files": -1},
        {"files": "12"},
        {"by": "("},
        {"by": None},
        {"model": 7},
    ],
)
def test_a_wrong_description_is_refused(tmp_path, profile, entries):
    (tmp_path / "p").write_bytes(described(profile, **entries))
    with pytest.raises(ProfileError, match="damaged, or not a profile"):
        read_profile(tmp_path / "p")


def test_wrong_statistics_are_refused(tmp_path, profile):
    arrays, content = load(profile.to_bytes()), profile.to_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    for change in (
        {"mean": arrays["mean"] * np.nan},
        {"mean": arrays["mean"][:, :2]},
        {"mean": arrays["mean"].astype(np.float32)},
        {"mean": arrays["mean"][0]},
        {"more": arrays["mean"]},
        {name: array[:1] for name, array in arrays.items()},
    ):
        (tmp_path / "p").write_bytes(save(arrays | change, header["__metadata__"]))
        with pytest.raises(ProfileError, match="damaged, or not a profile"):
            read_profile(tmp_path / "p")


def test_foreign_and_truncated_files_are_refused(tmp_path, profile):
    whole = profile.to_bytes()
    path = tmp_path / "p"
    for content in (b"", b"{}", b"\x80\x04", b"\xff" * 100, whole[:-1], whole[: len(whole) // 2], whole[8:]):
        path.write_bytes(content)
        with pytest.raises(ProfileError) as fault:
            read_profile(path)
        assert fault.value.hint
        assert "\n" not in fault.value.what
    for number in range(0, len(whole), 7):  # a flipped bit is an error or another profile
        path.write_bytes(whole[:number] + bytes([whole[number] ^ 4]) + whole[number + 1 :])
        try:
            assert read_profile(path).digest != profile.digest
        except ProfileError:
            continue
    with pytest.raises(ProfileError, match="cannot read"):
        read_profile(tmp_path / "missing")
    with pytest.raises(ProfileError, match="cannot read"):
        read_profile(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "p")
    with pytest.raises(ProfileError, match="not a regular file"):
        read_profile(tmp_path / "p")


def test_a_profile_belongs_to_one_model(profile):
    profile.check_model("tiny", "ab" * 32)
    with pytest.raises(ProfileError, match="measured for model tiny, not other"):
        profile.check_model("other", "cd" * 32)
    with pytest.raises(ProfileError, match="another model called tiny"):
        profile.check_model("tiny", "cd" * 32)


def test_groups_are_numbered_and_shrunk_towards_the_batch(profile):
    assert profile.group_of("2024/line-04/a.wav") == 1
    assert profile.group_of("2024/line-17/a.wav") == 2
    assert profile.group_of("2024/line-99/a.wav") == profile.group_of("other.wav") == 0
    whole, _, second = profile.shrunk(constant_s=30.0)
    assert whole is profile.whole
    np.testing.assert_allclose(second.mean, (profile.groups["17"].mean + profile.whole.mean) / 2)


def test_a_rule_needs_a_group():
    assert group_name("", "a.wav") is None
    assert group_name("(a)|b", "b.wav") is None
    for by in ("a", "(", "(?:a)"):
        with pytest.raises(SettingsError):
            BatchProfile(NOTHING, "tiny", "", 0, by)


def test_reading_and_hashing_need_no_torch(tmp_path, profile):
    write_profile(tmp_path / "p", profile)
    program = (
        "import sys; from pathlib import Path; from pcqtool.model.profile_file import read_profile;"
        f"print(read_profile(Path({str(tmp_path / 'p')!r})).digest, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [profile.digest, "False"]
