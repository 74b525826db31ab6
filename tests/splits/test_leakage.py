from __future__ import annotations

import json
from dataclasses import replace

from pcqtool.splits import PROTOCOLS, leakage_report


def report(name, utterances):
    protocol = PROTOCOLS[name]
    return leakage_report(protocol, protocol.folds(utterances, 0), utterances)


def test_speakers_that_are_apart(corpus):
    found = report("loso", corpus(4))
    assert found.text == (
        "Test and the other parts share no file and no speaker. "
        "They share up to 1 session and 1 text in a fold, which loso allows."
    )
    assert (found.leaks, found.speaker_independent) == (False, True)
    assert (found.overlap.test.speakers, found.overlap.test.sessions) == (0, 1)


def test_speakers_that_are_shared(corpus):
    found = report("random10", corpus(4, takes=10))
    assert "which random10 allows" in found.text
    assert "4 speakers" in found.text
    assert found.text.endswith("So it is a poor measure for new speakers.")
    assert (found.leaks, found.speaker_independent) == (False, False)


def test_what_is_unknown_is_said(corpus):
    nameless = [replace(each, speaker=None, session=None) for each in corpus(4, takes=10)]
    found = report("random10", nameless)
    assert "Whether they share speakers and sessions is unknown: the corpus does not state it." in found.text
    assert found.speaker_independent is None
    assert found.overlap.test.speakers is None


def test_a_leak_comes_first_and_is_named(corpus):
    found = report("paper", corpus(4))
    assert found.text.startswith("LEAKS on purpose: the test part is also the validation part")
    assert "nothing in it may be compared with honest figures" in found.text
    assert "Test and training share no file and no speaker." in found.text
    assert found.leaks
    assert found.overlap.test.files == 2


def test_the_worst_fold_counts(corpus):
    utterances = corpus(4, takes=3)
    utterances = [replace(each, text_id=each.speaker if each.text_id == "t00" else each.text_id) for each in utterances]
    assert report("loso", utterances).overlap.test.texts == 2
    utterances[0] = replace(utterances[0], text_id="s01")
    assert report("loso", utterances).overlap.test.texts == 3


def test_a_note_comes_last(corpus):
    protocol, utterances = PROTOCOLS["loso"], corpus(4)
    note = "Inputs were standardised by the unlabelled test recordings."
    found = leakage_report(protocol, protocol.folds(utterances, 0), utterances, note)
    assert found.text == f"{report('loso', utterances).text} {note}"
    assert not found.leaks


def test_it_is_json(corpus):
    entries = report("loso", corpus(4)).to_dict()
    assert json.loads(json.dumps(entries)) == entries
    assert entries["overlap"]["test"] == {"files": 0, "speakers": 0, "sessions": 1, "texts": 1}
