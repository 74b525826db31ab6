from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.corpora.datasets.crema_d import CREMAD
from pcqtool.corpora.datasets.emodb import EmoDB
from pcqtool.corpora.datasets.meld import MELD
from pcqtool.corpora.datasets.ravdess import RAVDESS
from pcqtool.corpora.datasets.tess import TESS
from pcqtool.corpora.datasets.urdu import URDU
from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.errors import SettingsError
from pcqtool.model.config import check_license
from pcqtool.training.model_license import COMMERCIAL, NOT_COMMERCIAL, check_given_license, model_license


@pytest.mark.parametrize(
    ("corpora", "license"),
    [
        ([EmoDB], "Free to download and use; attribute the authors: commercial use is allowed"),
        ([RAVDESS], "CC BY-NC-SA 4.0: not for commercial use"),
        ([EmoDB, RAVDESS, Manifest], "CC BY-NC-SA 4.0: not for commercial use"),
        ([RAVDESS, TESS, URDU], "CC BY-NC-SA 4.0; CC BY-NC 4.0; For research only: not for commercial use"),
        ([Manifest], ""),
        ([MELD], ""),
        ([EmoDB, Manifest], ""),
    ],
)
def test_the_strictest_corpus_decides(corpora, license, tmp_path):
    assert model_license([each(tmp_path) for each in corpora]) == license


def test_corpora_of_one_licence_state_it_once(tmp_path):
    one = model_license([CREMAD(tmp_path)])
    assert model_license([CREMAD(tmp_path), CREMAD(tmp_path)]) == one
    assert one.startswith("Open Database License 1.0")


def test_a_plugin_without_the_attribute_is_unknown():
    assert model_license([SimpleNamespace(name="old", licence="Ask me.")]) == ""


TERMS = st.builds(
    SimpleNamespace,
    name=st.just("mine"),
    licence=st.text(max_size=3000),
    commercial_use=st.sampled_from((True, False, None)),
)


@given(st.lists(TERMS, min_size=1, max_size=4))
def test_any_terms_become_a_line_that_a_model_can_have(corpora):
    line = model_license(corpora)
    check_license(line)
    allowed = {each.commercial_use for each in corpora}
    assert line.endswith(NOT_COMMERCIAL) == (False in allowed)
    assert line.endswith(COMMERCIAL) == (allowed == {True})
    assert bool(line) == (False in allowed or allowed == {True})


def test_a_license_of_the_user_is_one_line():
    check_given_license(None)
    check_given_license("CC BY 4.0")
    with pytest.raises(SettingsError, match="the license must be text of one line"):
        check_given_license("CC BY\n4.0")
