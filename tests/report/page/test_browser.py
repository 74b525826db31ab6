"""The page in a real browser, opened from disk; skipped where playwright or Chromium is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pcqtool.report.page.writing import write_page

NAMES = [f"2026-01-{1 + n % 20:02d}/call {n:03d}_agent-{'abc'[n % 3]}.wav" for n in range(60)]
EVIL = "2026-01-01/<img src=x onerror=document.title='evil'>_agent-a.wav"
PATTERN = "{date}/{call}_agent-{agent}.wav"


@pytest.fixture
def open_page(browser):
    """Open a page from disk; what it logs or requests from elsewhere fails the test."""
    contexts, faults = [], []

    def open_it(path: Path, expected: str = "", **settings):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **settings})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: None if message.text == expected else faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else faults.append(r.url))
        page.goto(path.as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def report(make_results, write_wave, tmp_path):
    for name in NAMES[:3]:
        write_wave(f"calls/{name}", seconds=30.0, rate=8000, channels=2)
    path = make_results([*NAMES, EVIL], ("0", "1"))
    given = {"audio": tmp_path / "calls", "name_pattern": PATTERN}
    return write_page(path, tmp_path / "pages" / "report.html", **given).path


def wait(page, condition):
    """Wait for a condition of elements, by their ids; Playwright's own waiting needs what the page's policy forbids."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within 10 s: {condition}")


def shown(page):
    return page.locator("#table tbody tr[data-position]")


def sort_by(page, heading):
    page.get_by_role("button", name=heading, exact=True).click()


def test_the_table_sorts_and_filters(open_page, report):
    page = open_page(report)
    assert page.locator("#count").inner_text() == "122 of 122 rows"
    assert 5 < shown(page).count() < 40  # of 122: the others are not in the document
    sort_by(page, "Confidence")
    first = shown(page).nth(0).locator("td").nth(2).inner_text()
    sort_by(page, "Confidence")
    last = shown(page).nth(0).locator("td").nth(2).inner_text()
    assert int(first.rstrip("%")) > int(last.rstrip("%"))
    assert page.locator("#table th[aria-sort=ascending]").inner_text().startswith("Confidence")
    page.fill("#filter-name", "CALL 007 agent-b")
    wait(page, "count.textContent === '2 of 122 rows'")
    assert "2 of 122" in page.locator("#live").inner_text()
    page.select_option("#filter-channel", "1")
    wait(page, "count.textContent === '1 of 122 rows'")
    page.click("text=Reset")
    wait(page, "count.textContent === '122 of 122 rows'")


def test_keys_move_through_the_table_and_open_a_recording(open_page, report):
    page = open_page(report)
    shown(page).nth(0).locator("button").focus()
    for _ in range(60):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    chosen = page.locator("#table tr.chosen")
    assert chosen.get_attribute("aria-rowindex") == "62"
    assert chosen.locator("button").evaluate("each => each === document.activeElement")
    assert page.locator("#detail svg.timeline").count() == 2
    line = page.locator("#detail svg.timeline").nth(1)
    line.focus()
    page.keyboard.press("ArrowRight")
    assert line.get_attribute("aria-valuenow") == "3.00"
    assert line.get_attribute("aria-valuetext").startswith("0:03: ")


def test_a_click_plays_that_stretch(open_page, report):
    page = open_page(report)
    page.fill("#filter-name", "call 000")
    wait(page, "count.textContent === '2 of 122 rows'")
    shown(page).nth(1).click()
    page.locator("#detail svg.timeline").nth(1).locator("g.event").nth(2).click()  # 21 s to 30 s
    wait(page, "audio.currentTime > 21.1 && !audio.paused")
    assert page.locator("#playing").inner_text() == "call 000_agent-a.wav · channel 1 · 0:21–0:30"
    assert page.evaluate("audio.src").endswith("/calls/2026-01-01/call%20000_agent-a.wav")
    box = page.locator("#detail svg.timeline").nth(0).bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + 30)  # 7.5 s: the segment from 6 s to 9 s
    wait(page, "audio.currentTime > 6 && audio.currentTime < 9 && !audio.paused")
    wait(page, "audio.paused")
    assert 8.9 < page.evaluate("audio.currentTime") < 9.6


def test_a_recording_that_is_missing_is_named(open_page, report):
    page = open_page(report, expected="Failed to load resource: net::ERR_FILE_NOT_FOUND")
    page.fill("#filter-name", "call 030")
    wait(page, "count.textContent === '2 of 122 rows'")
    shown(page).nth(0).click()
    page.locator("#detail summary").nth(0).click()
    page.locator("#detail .events button").nth(0).click()
    wait(page, "playing.textContent.includes('cannot be played')")


def test_names_are_shown_as_text(open_page, report):
    page = open_page(report)
    page.fill("#filter-name", "onerror")
    wait(page, "count.textContent === '2 of 122 rows'")
    shown(page).nth(0).click()
    assert page.locator("#detail h3").inner_text() == EVIL.split("/", 1)[1].rsplit("/", 1)[-1]
    assert page.title() != "evil"
    assert page.locator("img").count() == 0


def test_moments_play_and_open_their_recording(open_page, report):
    page = open_page(report)
    page.locator("#moment-labels label").nth(1).click()
    assert page.locator("#moments li").count() == 12
    page.locator("#moments button.link").nth(0).click()
    name = page.locator("#moments button.link").nth(0).inner_text().split(" · ")[0]
    assert page.locator("#detail h3").inner_text() == name


def test_clips_play_from_the_page_itself(open_page, make_results, write_wave, tmp_path):
    write_wave("calls/a.wav", seconds=30.0, rate=8000)
    path = make_results(["a.wav"])
    given = {"audio": tmp_path / "calls", "embed": True}
    page = open_page(write_page(path, tmp_path / "report.html", **given).path)
    page.locator("#moments .play").nth(0).click()
    wait(page, "audio.currentTime > 0.1 && audio.src.startsWith('data:audio/flac')")


def test_trends_have_groups_that_filter_the_table(open_page, report):
    page = open_page(report)
    assert page.locator("#trend svg.chart").count() == 1
    page.select_option("#trend-by", label="agent")
    page.locator("#trend .rows button").nth(0).click()
    assert page.locator("#count").inner_text() == "42 of 122 rows"
    assert page.locator("#filter-group").inner_text() == "agent: a ✕"
    page.locator("#filter-group").click()
    assert page.locator("#count").inner_text() == "122 of 122 rows"


def test_numbers_are_the_locales_and_the_scheme_can_be_changed(open_page, report):
    page = open_page(report, locale="de-DE", color_scheme="dark", viewport={"width": 360, "height": 740})
    assert page.locator("dl.tiles dd").nth(1).inner_text() == "0,51"
    assert "\u00a0%" in page.locator(".bars .figure").nth(0).inner_text()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#scheme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    shown(page).nth(0).click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_many_recordings_answer_at_once(open_page, make_results, tmp_path):
    path = make_results([f"{n // 100}/call-{n}.wav" for n in range(10_000)])
    page = open_page(write_page(path, tmp_path / "report.html").path)
    click = """i => {
        const start = performance.now();
        document.querySelectorAll("#table tbody tr[data-position]")[i].click();
        return performance.now() - start;
    }"""
    page.evaluate(click, 1)
    assert page.evaluate(click, 5) < 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, report, scheme):
    places = [os.environ.get("AXE_CORE", ""), *Path.cwd().glob("node_modules/axe-core/axe.min.js")]
    axe = next((Path(place) for place in places if place and Path(place).is_file()), None)
    if axe is None:
        pytest.skip("axe-core is not at hand: npm install axe-core, or AXE_CORE=axe.min.js")
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(report.as_uri())
    shown(page).nth(0).click()
    page.evaluate(axe.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    context.close()
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
