"""Ogg files that were joined with ``cat`` hold all their recordings."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.audio.decoding import ogg
from pcqtool.audio.decoding.ogg import OpusPackets, VorbisPackets, packet_heads
from pcqtool.audio.decoding.recording import open_recording
from pcqtool.audio.reader import read_header

Make = Callable[..., Path]
Tone = Callable[..., np.ndarray]
Sound = Callable[..., np.ndarray]


def checksum(page: bytes) -> int:
    """Ogg's CRC-32, which runs from the highest bit on."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def pages(content: bytes) -> list[bytes]:
    at, found = 0, []
    while at < len(content):
        n_segments = content[at + 26]
        end = at + 27 + n_segments + sum(content[at + 27 : at + 27 + n_segments])
        found.append(content[at:end])
        at = end
    return found


def numbered(content: bytes, serial: int) -> bytes:
    """An Ogg file with another serial number."""
    changed = []
    for page in pages(content):
        blank = page[:14] + serial.to_bytes(4, "little") + page[18:22] + bytes(4) + page[26:]
        changed.append(blank[:22] + checksum(blank).to_bytes(4, "little") + blank[26:])
    return b"".join(changed)


@pytest.fixture
def recordings(write: Make, mux: Make, tone: Tone) -> Callable[[str], list[bytes]]:
    """Makes three Ogg files of 3, 2 and 1 s."""

    def make(codec: str) -> list[bytes]:
        paths = []
        for length, hertz in ((3, 440), (2, 880), (1, 660)):
            wave = tone(length, 48000, hertz)
            if codec == "FLAC":
                paths.append(mux(f"{length}.ogg", "ogg", ("flac", 48000, (0, wave))))
            else:
                paths.append(write(f"{length}.ogg", wave, 48000, "OGG", codec))
        return [path.read_bytes() for path in paths]

    return make


def decoded(path: Path) -> tuple[np.ndarray, str | None, str | None]:
    with open_recording(path) as recording:
        wave = np.concatenate([np.zeros((0, recording.n_channels), np.float32), *recording.blocks()])
        return wave[:, 0], recording.shortfall, recording.note


@pytest.mark.parametrize("codec", ["OPUS", "VORBIS", "FLAC"])
@pytest.mark.parametrize("serials", [(1, 2, 3), (7, 7, 7), (1, 2, 1), (1, 1, 2)])
def test_every_link_is_decoded(
    tmp_path: Path, recordings: Callable[[str], list[bytes]], codec: str, serials: tuple[int, ...]
) -> None:
    parts = [numbered(content, serial) for content, serial in zip(recordings(codec), serials, strict=True)]
    waves = []
    for content in parts:
        (tmp_path / "one").write_bytes(content)
        wave, shortfall, note = decoded(tmp_path / "one")
        assert (shortfall, note) == (None, None)
        waves.append(wave)
    (tmp_path / "all").write_bytes(b"".join(parts))
    wave, shortfall, note = decoded(tmp_path / "all")
    assert (shortfall, note) == (None, "3 recordings, joined")
    np.testing.assert_array_equal(wave, np.concatenate(waves))
    assert len(wave) / 48000 == pytest.approx(6, abs=0.05)


def test_links_of_different_quality(tmp_path: Path, write: Make, tone: Tone) -> None:
    parts = [write("a", tone(2, 48000), 48000, "OGG", "VORBIS"), tmp_path / "b"]
    soundfile.write(parts[1], tone(1, 48000), 48000, format="OGG", subtype="VORBIS", compression_level=0.9)
    (tmp_path / "c").write_bytes(b"".join(part.read_bytes() for part in parts))
    wave, shortfall, _ = decoded(tmp_path / "c")
    assert (len(wave), shortfall) == (3 * 48000, None)


def test_links_of_different_codecs(tmp_path: Path, write: Make, tone: Tone) -> None:
    parts = [write(name, tone(2, 48000), 48000, "OGG", name) for name in ("VORBIS", "OPUS")]
    (tmp_path / "c").write_bytes(b"".join(part.read_bytes() for part in parts))
    wave, shortfall, _ = decoded(tmp_path / "c")
    assert len(wave) / 48000 == pytest.approx(4, abs=0.02)
    assert shortfall is None


def test_a_link_at_another_rate_is_reported(tmp_path: Path, write: Make, tone: Tone) -> None:
    parts = [write(f"{rate}", tone(2, rate), rate, "OGG", "VORBIS") for rate in (48000, 16000)]
    (tmp_path / "c").write_bytes(b"".join(part.read_bytes() for part in parts))
    wave, shortfall, _ = decoded(tmp_path / "c")
    assert len(wave) == 2 * 48000
    assert shortfall == "part 2 of 2: the audio changes to 16000 Hz, 1 channel(s)"


def test_a_damaged_link_is_reported_and_the_rest_decoded(
    tmp_path: Path, recordings: Callable[[str], list[bytes]]
) -> None:
    a, b, c = recordings("VORBIS")
    first, *rest = pages(b)
    (tmp_path / "a").write_bytes(a + first + b"".join(bytes(len(page)) for page in rest) + c)
    wave, shortfall, _ = decoded(tmp_path / "a")
    assert len(wave) == (3 + 1) * 48000
    assert shortfall is not None
    assert shortfall.startswith("part 2 of 3: ")


def test_a_cut_link_is_reported(tmp_path: Path, recordings: Callable[[str], list[bytes]]) -> None:
    a, b, _ = recordings("VORBIS")
    (tmp_path / "a").write_bytes(a + b[: len(b) * 2 // 3])
    wave, shortfall, _ = decoded(tmp_path / "a")
    assert 3 * 48000 <= len(wave) < 5 * 48000, "what was on whole pages"
    assert shortfall is not None
    assert shortfall.startswith("part 2 of 2: its last Ogg page is cut")


@pytest.mark.parametrize("codec", ["libopus", "flac"])
def test_a_gap_in_an_ogg_file(mux: Make, tone: Tone, codec: str) -> None:
    wave, shortfall, note = decoded(
        mux("a", "ogg", (codec, 48000, (0, tone(3, 48000)), (8, tone(2, 48000))), options={"page_duration": "200000"})
    )
    assert (shortfall, note) == (None, None)
    assert len(wave) / 48000 == pytest.approx(10, abs=0.1)
    assert np.abs(wave[round(8.3 * 48000) :]).max() > 0.3
    assert not wave[round(3.3 * 48000) : round(7.7 * 48000)].any()


@pytest.mark.parametrize("codec", ["OPUS", "VORBIS"])
def test_lost_pages_are_reported_and_become_silence(write: Make, tone: Tone, codec: str) -> None:
    path = write("a", tone(20, 48000), 48000, "OGG", codec)
    whole, _, _ = decoded(path)
    kept = pages(path.read_bytes())
    n = len(kept)
    assert n > 8
    path.write_bytes(b"".join(kept[: n // 2] + kept[n // 2 + 3 :]))
    wave, shortfall, _ = decoded(path)
    assert len(wave) == pytest.approx(len(whole), abs=0.1 * 48000)
    assert shortfall is not None
    assert "3 Ogg page(s) are missing" in shortfall


def test_a_broadcast_that_was_joined_late(write: Make, tone: Tone) -> None:
    path = write("a", tone(20, 48000), 48000, "OGG", "OPUS")
    kept = pages(path.read_bytes())
    path.write_bytes(b"".join(kept[:2] + kept[8:]))
    wave, shortfall, _ = decoded(path)
    assert shortfall is None
    assert 5 < len(wave) / 48000 < 19


def test_the_header_is_read_without_a_search_for_links(
    tmp_path: Path, recordings: Callable[[str], list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"".join(recordings("OPUS")))
    monkeypatch.setattr("pcqtool.audio.decoding.recording.find_links", None)
    assert read_header(tmp_path / "a")[1:] == (1, 48000)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.lists(st.binary(max_size=300), min_size=1, max_size=4)), min_size=1, max_size=5
    ),
    st.integers(300, 4000),
)
def test_links_are_found_wherever_chunks_end(groups: list[tuple[int, list[bytes]]], chunk: int) -> None:
    content, wanted = b"", []
    for n_streams, bodies in groups:
        wanted.append((len(content), n_streams))
        for flags, body in [(2, b"head")] * n_streams + [(0, body) for body in bodies]:
            segments = bytes([255] * (len(body) // 255) + [len(body) % 255])
            content += b"OggS\0" + bytes([flags]) + bytes(20) + bytes([len(segments)]) + segments + body
    before = ogg._CHUNK
    ogg._CHUNK = chunk
    try:
        found = ogg.find_links(io.BytesIO(content))
    finally:
        ogg._CHUNK = before
    assert [(link.start, link.n_streams) for link in found] == wanted
    assert [link.end for link in found] == [*(start for start, _ in wanted[1:]), len(content)]


def renewed(page: bytes, granule: int, number: int, ends: bool) -> bytes:
    """A page with another position and number."""
    flags = bytes([page[5] & ~4 | ends * 4])
    serial = bytes(4)
    blank = page[:5] + flags + granule.to_bytes(8, "little") + serial + number.to_bytes(4, "little") + bytes(4)
    blank += page[26:]
    return blank[:22] + checksum(blank).to_bytes(4, "little") + blank[26:]


def renumbered(kept: list[tuple[bytes, int]]) -> bytes:
    """A file of pages at these positions."""
    last = len(kept) - 1
    return b"".join(renewed(page, granule, number, number == last) for number, (page, granule) in enumerate(kept))


def granule(page: bytes) -> int:
    return int.from_bytes(page[6:14], "little")


def joined(one: bytes, other: bytes) -> bytes:
    """Join two files as a muxer does: into one stream that continues where the first one's count ends."""
    first, second = pages(one), pages(other)
    before = granule(first[-1])
    return renumbered(
        [(page, granule(page)) for page in first] + [(page, before + granule(page)) for page in second[2:]]
    )


@pytest.mark.parametrize("seconds", [1.01, 6.02, 12.3])
def test_opus_that_a_muxer_joined(write: Make, tone: Tone, seconds: float) -> None:
    paths = [write(f"{hertz}", tone(seconds, 48000, hertz), 48000, "OGG", "OPUS") for hertz in (440, 880)]
    one, other = (decoded(path)[0] for path in paths)
    paths[0].write_bytes(joined(*(path.read_bytes() for path in paths)))
    wave, shortfall, note = decoded(paths[0])
    assert (shortfall, note) == (None, None)
    assert len(wave) / 48000 == pytest.approx(2 * seconds, abs=0.05)
    np.testing.assert_allclose(wave[: len(one)], one, atol=1e-3)
    # the second begins behind the first one's padding and its own delay, which no decoder leaves off
    crossings = np.flatnonzero(np.diff(np.signbit(wave[len(one) + 4800 : 2 * len(one) - 4800])))
    assert np.mean(np.diff(crossings)) == pytest.approx(48000 / 880 / 2, rel=0.01)
    assert np.abs(wave[2 * len(one) - 4800 : 2 * len(one)]).max() > 0.4
    assert len(other) == len(one)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_vorbis_whose_first_page_counts_too_little(write: Make, sound: Sound, share: float) -> None:
    path = write("a", sound(9, 44100), 44100, "OGG", "VORBIS")
    whole, _, _ = decoded(path)
    found = pages(path.read_bytes())
    heads = [page for page in found if granule(page) == 0]
    kept = [page for page in found if granule(page) > 2 * 44100]
    before = granule(found[found.index(kept[0]) - 1])
    n_first = granule(kept[0]) - before
    assert len(kept) > 2
    late = before + round(n_first * (1 - share))
    path.write_bytes(renumbered([(page, 0) for page in heads] + [(page, granule(page) - late) for page in kept]))
    wave, shortfall, _ = decoded(path)
    assert shortfall is None
    n_held = granule(found[-1]) - before
    assert n_held - 4096 <= len(wave) <= n_held + 4096, "but for the first block, of which there is half"
    n_same = n_held - 4096
    np.testing.assert_allclose(wave[-n_same:], whole[-n_same:], atol=1e-4)


@pytest.mark.parametrize("codec", ["OPUS", "VORBIS"])
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("clicks", [False, True])
@pytest.mark.parametrize("seconds", [0.3, 7.7])
def test_files_of_encoders_count_all_audio(
    write: Make, sound: Sound, codec: str, rate: int, clicks: bool, seconds: float
) -> None:
    wave = sound(seconds, rate, 2)
    if clicks:  # Vorbis has short blocks for them
        wave *= np.random.default_rng(1).random((len(wave), 1)) < 0.001
    (link,) = ogg.find_links(io.BytesIO(write("a", wave, rate, "OGG", codec).read_bytes()))
    assert (link.excess, link.gap, link.n_lost) == (False, False, 0)


@pytest.mark.parametrize(
    ("head", "n_samples"),
    [(b"\x00\x00", 480), (b"\x18\x00", 2880), (b"\x61\x00", 960), (b"\x78\x00", 960), (b"\xfb\x03", 2880), (b"", 960)],
)
def test_samples_of_opus_packets(head: bytes, n_samples: int) -> None:
    assert OpusPackets().count(head) == n_samples


def test_samples_of_vorbis_packets() -> None:
    vorbis = VorbisPackets(b"\x01vorbis" + bytes(4) + b"\x01" + (44100).to_bytes(4, "little") + bytes(12) + b"\xb8")
    assert vorbis.rate == 44100
    heads = [b"\x05v", b"\x02", b"\x02", b"\x00", b"\x00", b"\x02"]
    assert [vorbis.count(head) for head in heads] == [0, 0, 1024, 576, 128, 576]


@given(st.lists(st.binary(min_size=2, max_size=1200), min_size=1, max_size=8), st.integers(1, 6))
def test_packets_continue_from_page_to_page(packets: list[bytes], n_segments: int) -> None:
    table = b"".join(bytes([255] * (len(packet) // 255) + [len(packet) % 255]) for packet in packets)
    body, at, pending, found = b"".join(packets), 0, b"", []
    for first in range(0, len(table), n_segments):
        part = table[first : first + n_segments]
        heads = list(packet_heads(part, body[at : at + sum(part)], pending))
        found += [head for head, ends in heads if ends]
        pending = b"".join(head for head, ends in heads if not ends)
        at += sum(part)
    assert found == [packet[:2] for packet in packets]
    assert pending == b""
