from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.audio.decoding.ogg_packets import OpusSound, VorbisSound, packet_heads


@pytest.mark.parametrize(
    ("head", "n_samples"),
    [(b"\x00\x00", 480), (b"\x18\x00", 2880), (b"\x61\x00", 960), (b"\x78\x00", 960), (b"\xfb\x03", 2880), (b"", 960)],
)
def test_samples_of_opus_packets(head: bytes, n_samples: int) -> None:
    assert OpusSound().count(head) == n_samples


def test_samples_of_vorbis_packets() -> None:
    vorbis = VorbisSound(b"\x01vorbis" + bytes(4) + b"\x01" + (44100).to_bytes(4, "little") + bytes(12) + b"\xb8")
    assert vorbis.rate == 44100
    heads = [b"\x05v", b"\x02", b"\x02", b"\x00", b"\x00", b"\x02"]
    assert [vorbis.count(head) for head in heads] == [0, 0, 1024, 576, 128, 576]


@given(st.lists(st.binary(min_size=2, max_size=1200), min_size=1, max_size=8), st.integers(1, 6))
def test_packets_are_followed_from_page_to_page(packets: list[bytes], n_segments: int) -> None:
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
