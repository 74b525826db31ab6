from __future__ import annotations

import pytest

from pcqtool.batch.settings import BatchSettings, run_fingerprint
from pcqtool.errors import SettingsError


@pytest.mark.parametrize("wrong", [{"min_speech": 1.1}, {"min_speech": -0.1}, {"batch_size": 0}, {"jobs": -1}])
def test_impossible_values_are_refused(wrong):
    with pytest.raises(SettingsError):
        BatchSettings(**wrong)


def test_no_number_of_jobs_means_all_cores():
    assert BatchSettings().n_jobs >= 1
    assert BatchSettings(jobs=3).n_jobs == 3


def test_a_fingerprint_tells_models_and_settings_apart_and_not_their_order():
    assert run_fingerprint("ab", {"a": 1, "b": 2}) == run_fingerprint("ab", {"b": 2, "a": 1})
    assert len({run_fingerprint("ab", {"a": 1}), run_fingerprint("cd", {"a": 1}), run_fingerprint("ab", {"a": 2})}) == 3
