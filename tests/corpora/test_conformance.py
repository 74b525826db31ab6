from __future__ import annotations

import pytest

from pcqtool.corpora.conformance import class_problems, first_class_problem


def load(source: str) -> object:
    scope: dict[str, object] = {"__name__": "plugin"}
    exec(source, scope)  # noqa: S102
    return scope["Good"]


def test_a_valid_class_has_no_problem(good):
    assert first_class_problem(load(good("fine")), "fine") is None


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("(self, root)", "(self)", "cannot be called as Good(root)"),
        ("(self, root)", "(self, root, language)", "cannot be called as Good(root)"),
        ("utterances(self)", "utterances(self, split)", "cannot be called as utterances()"),
        ('("anger", "neutral")', '("angry", "neutral")', "'angry' must be written 'anger'"),
        ('("anger", "neutral")', '("anger", "hunger")', "unknown emotion 'hunger'"),
        ('("anger", "neutral")', '["anger"]', "must be a tuple"),
        ('("anger", "neutral")', "()", "must be a tuple"),
        ('name = "fine"', 'name = "other"', "registered as 'fine'"),
        ('"A corpus"', r'"A\nB"', "title must be a line"),
        ('"A corpus"', r'"A\x1b[2J"', "title must be a line"),
        ('"A corpus"', r'"A\ud800"', "title must be a line"),
        ('"CC0"', "None", "licence must be a str"),
        ('"CC0"', '"CC0"\n    commercial_use = "yes"', "commercial_use must be True, False or None"),
        ('"https://example.org/corpus"', "7", "url must be a str or None"),
        ("def utterances(self):\n        return []", "utterances = ()", "utterances must be a method"),
        ('("anger", "neutral")', '("anger", "anger")', "'anger' occurs twice"),
        ('title = "A', 'downloads = ["https://example.org/a.zip"]\n    title = "A', "must be a tuple of Download"),
        ('title = "A', 'expected = 535\n    title = "A', "must be an Expected"),
        (
            'title = "A',
            "from pcqtool.corpora.release import Download\n"
            '    downloads = (Download("http://a.org/1/x.zip"), Download("http://a.org/2/x.zip"))\n    title = "A',
            "two files with the same name",
        ),
    ],
)
def test_an_invalid_class_is_reported_with_the_reason(good, old, new, text):
    source = good("fine")
    assert old in source
    assert text in first_class_problem(load(source.replace(old, new)), "fine")


@pytest.mark.parametrize("keyword", ["=None", "='de'"])
def test_further_arguments_with_defaults_are_allowed(good, keyword):
    assert (
        first_class_problem(load(good("fine").replace("(self, root)", f"(self, root, language{keyword})")), "fine")
        is None
    )


def test_labels_may_be_a_property(good):
    late = 'labels = ("anger", "neutral")', "@property\n    def labels(self):\n        return ('anger',)"
    assert first_class_problem(load(good("fine").replace(*late)), "fine") is None


def test_all_problems_are_returned_at_once(good):
    source = good("fine").replace('"CC0"', "None").replace("(self, root)", "(self)").replace('"anger"', '"rage"')
    assert len(list(class_problems(load(source), "other"))) == 4


def test_an_instance_is_not_a_class(good):
    assert "not a class" in first_class_problem(load(good("fine"))(None), "fine")
