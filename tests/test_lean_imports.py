from __future__ import annotations

import sys

import pytest

from pcqtool.lean_imports import without


def test_a_module_is_absent_while_the_context_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    finders = list(sys.meta_path)
    with pytest.raises(ModuleNotFoundError, match="colorsys"), without("another", "colorsys"):
        import colorsys
    assert sys.meta_path == finders
    import colorsys

    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_loaded_modules_stay() -> None:
    with without("json"):
        import json
    assert json.dumps({}) == "{}"
