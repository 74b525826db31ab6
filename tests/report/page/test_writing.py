from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import pcqtool
from pcqtool.errors import ReportError, SettingsError, TableError
from pcqtool.model.unseen_scores import UnseenScore
from pcqtool.report.model_facts import ModelFacts
from pcqtool.report.page.writing import inline_json, write_page

EVIL = "</script><img src=x onerror=alert(1)>\"'&{{ 7*7 }}.wav"
XML = {"http://www.w3.org/2000/svg"}


class Elements(HTMLParser):
    """The elements of a page, with their attributes and texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.inside = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag, dict(attrs).get("type")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        self.texts.setdefault(self.inside, []).append(data)


def read(path):
    text = path.read_text(encoding="utf-8")
    page = Elements(text)
    return text, page, json.loads("".join(page.texts["script", "application/json"]))


@pytest.fixture
def written(make_results, tmp_path):
    path = make_results(["a.wav", EVIL], ("0", "1"))
    page = pcqtool.write_page(path, tmp_path / "report.html", title="<b>Calls</b> & more")
    return page, *read(page.path)


def test_the_page_is_alone(written):
    _, text, page, _ = written
    assert set(re.findall(r"\w+://[^\s\"'<>]+", text)) <= XML
    loading = {"link", "img", "iframe", "object", "embed", "base", "form-action"}
    assert not loading & {tag for tag, _ in page.tags}
    assert not any("src" in attributes or "srcset" in attributes for _, attributes in page.tags)
    assert all(attributes["href"].startswith("#") for tag, attributes in page.tags if tag == "a")
    assert not any(name.startswith("on") or name == "style" for _, attributes in page.tags for name in attributes)


def test_the_policy_allows_this_script_and_this_style_alone(written):
    _, _, page, _ = written
    (policy,) = (a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for name, key in (("script-src", ("script", None)), ("style-src", ("style", None))):
        digest = hashlib.sha256("".join(page.texts[key]).encode()).digest()
        assert rules[name] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert "unsafe" not in policy


def test_names_are_text(written):
    _, text, page, data = written
    assert EVIL in data["names"]
    assert "<img" not in text
    assert "49.wav" not in text
    assert "".join(page.texts["h1", None]) == "<b>Calls</b> & more"
    assert [tag for tag, _ in page.tags].count("script") == 2


def test_json_holds_no_markup():
    text = inline_json({"a": "</script><!--&"})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"a": "</script><!--&"}


def test_the_data_are_those_of_the_tables(make_results, tmp_path):
    path = make_results(["b.wav", "a.wav"], ("0", "1"))
    page = write_page(path, tmp_path / "report.html")
    _, _, data = read(page.path)
    segments = pcqtool.read_results(path).segments.select(
        "prob_anger", "prob_happiness", "prob_neutral", "prob_sadness"
    )
    packed = np.frombuffer(base64.b64decode(data["segments"]["probabilities"]["data"]), np.uint8)
    assert np.abs(packed.reshape(-1, 4) / 254 - segments.to_numpy()).max() < 0.0021
    assert (page.n_recordings, page.n_rows, data["rows"]["n"], data["names"]) == (2, 4, 4, ["a.wav", "b.wav"])
    assert not page.has_links
    assert page.size_bytes == page.path.stat().st_size
    events = pcqtool.read_results(path).events
    strongest = events.filter(label="anger")["peak"].max()
    peaks = np.frombuffer(base64.b64decode(data["events"]["peak"]["data"]), np.uint8)
    assert peaks[data["moments"][0][0]] == round(254 * strongest)


def test_a_page_of_ten_thousand_recordings_is_small(make_results, tmp_path):
    path = make_results([f"2026-01-{1 + n % 28:02d}/call-{n:05d}_agent-{n % 40:02d}.wav" for n in range(10_000)])
    page = write_page(path, tmp_path / "report.html", name_pattern="{date}/{call}_agent-{agent}.wav")
    assert page.size_bytes < 5e6


def test_failures_and_statuses_are_listed(make_results, set_file_row, tmp_path):
    path = make_results(["a.wav", "b.wav"])
    set_file_row(path, "b.wav", status="failed", error="<broken> header", label=None)
    text, _, data = read(write_page(path, tmp_path / "report.html").path)
    assert "&lt;broken&gt; header" in text
    assert data["rows"]["error"]["values"] == ["<broken> header"]


def test_given_labels_are_compared(make_results, tmp_path):
    path = make_results(["a.wav", "b.wav"])
    predicted = pcqtool.read_results(path).files["label"].to_list()
    (tmp_path / "truth.csv").write_text(f"file,label\na.wav,{predicted[0]}\nb.wav,unheimlich\n")
    text, _, _ = read(write_page(path, tmp_path / "report.html", metadata=tmp_path / "truth.csv").path)
    assert "Labels that people gave" in text
    assert "unheimlich" in text
    assert 'value="0.5"' in text


def test_scores_on_unseen_speech_are_in_plain_words(make_results, tmp_path, monkeypatch):
    score = UnseenScore("URDU", "natural, talk shows", 4, "auto", 0.528, 0.13)
    facts = ModelFacts("mine", "MIT", "trained on much", "blend", (score,))
    monkeypatch.setattr("pcqtool.report.page.writing.model_facts", lambda *_: facts)
    text, _, _ = read(write_page(make_results(["a.wav"]), tmp_path / "report.html").path)
    words = " ".join(re.sub(r"<[^>]*>", "", text).split())
    assert (
        "On speech that it was not trained on (URDU: natural, talk shows), the model is right in 53 % of cases" in words
    )
    assert "A guess is right in 25 %." in words
    assert "differ by 13 percentage points on average (ECE 0.13)" in words
    assert "trained on much" in words


def test_recordings_are_found_relative_to_the_page(make_results, write_wave, tmp_path):
    write_wave("my calls/a #1.wav")
    path = make_results(["a #1.wav", "b\\xff.wav"])
    page = write_page(path, tmp_path / "pages" / "report.html", audio=tmp_path / "my calls")
    _, _, data = read(page.path)
    assert data["audio"] == {"base": "../my%20calls/", "others": {"1": "../my%20calls/b%FF.wav"}}
    with pytest.raises(SettingsError, match="no recording of the results"):
        write_page(path, tmp_path / "report.html", audio=tmp_path / "pages")


def test_recordings_are_found_at_the_tables_root(make_results, write_wave, tmp_path):
    root = write_wave("calls/a.wav").parent
    path = make_results(["a.wav"], root=root)
    assert write_page(path, tmp_path / "report.html").has_links
    (root / "a.wav").unlink()
    assert not write_page(path, tmp_path / "report.html").has_links


def test_clips_are_embedded_up_to_a_limit(make_results, write_wave, tmp_path):
    write_wave("calls/a.wav", seconds=30.0, channels=2)
    path = make_results(["a.wav"], ("0", "1"))
    given = {"audio": tmp_path / "calls", "embed": True, "moments": 2}
    page = write_page(path, tmp_path / "report.html", **given)
    _, _, data = read(page.path)
    assert page.n_clips == len(data["clips"]) > 0
    assert data["audio"] is None
    clip = next(iter(data["clips"].values()))
    assert base64.b64decode(clip["data"])[:4] == b"fLaC"
    assert clip["end"] - clip["start"] <= 8.01
    with pytest.raises(ReportError, match=r"more than 0\.05 MB"):
        write_page(path, tmp_path / "other.html", embed_limit_mb=0.05, **given)
    assert not (tmp_path / "other.html").exists()
    (tmp_path / "calls" / "a.wav").write_bytes(b"RIFF")
    assert "a clip is missing" in write_page(path, tmp_path / "report.html", **given).notes[0]


def test_wrong_use_is_named(make_results, tmp_path):
    path = make_results(["a.wav"])
    for arguments, match in (
        ({"out": "report.pdf"}, "end in .html"),
        ({"moments": 0}, "must be positive"),
        ({"embed": True}, "clips need the recordings"),
        ({"model": "pcq-mini"}, "not the model that made"),
    ):
        with pytest.raises(SettingsError, match=match):
            write_page(path, **{"out": tmp_path / "report.html", **arguments})
    path.with_name("results.events.parquet").unlink()
    with pytest.raises(TableError, match="no table of events"):
        write_page(path, tmp_path / "report.html")
