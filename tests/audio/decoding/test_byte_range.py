from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from pcqtool.audio.decoding.byte_range import ByteRange, FileView, file_size
from pcqtool.audio.decoding.sndfile import CallbackFile

FILE = bytes(range(256))
PARTS = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.tuples(st.integers(0, 256), st.integers(0, 256)).map(lambda ends: ByteRange(min(ends), max(ends))),
    ),
    max_size=5,
)


@given(PARTS, st.lists(st.tuples(st.integers(0, 300), st.integers(1, 100)), max_size=10))
def test_a_view_reads_as_its_parts_would(parts: list[ByteRange | bytes], reads: list[tuple[int, int]]) -> None:
    whole = b"".join(part if isinstance(part, bytes) else FILE[part.start : part.end] for part in parts)
    view = FileView(io.BytesIO(FILE), parts)
    assert file_size(view) == len(whole)
    assert view.readall() == whole
    quiet = CallbackFile(view)
    for at, n_bytes in reads:
        assert quiet.seek(at) == at == quiet.tell()
        assert quiet.read(n_bytes) == whole[at : at + n_bytes]
    assert quiet.error is None
