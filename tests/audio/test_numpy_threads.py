from __future__ import annotations

from threadpoolctl import threadpool_info

from pcqtool.audio.numpy_threads import one_thread


def _n_threads() -> set[int]:
    return {each["num_threads"] for each in threadpool_info() if each["internal_api"] == "openblas"}


def test_the_last_of_several_contexts_restores_the_threads() -> None:
    before, first, second = _n_threads(), one_thread(), one_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert _n_threads() <= {1}
    second.__exit__(None, None, None)
    assert _n_threads() == before
