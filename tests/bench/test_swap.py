from __future__ import annotations

import pytest

from pcqtool.bench.swap import swapped


class Owner:
    own = 1

    def method(self):
        return "theirs"


def test_a_class_gets_its_attribute_back():
    with swapped(Owner, "own", 2):
        assert Owner.own == 2
    assert Owner.own == 1


def test_an_object_is_set_free_of_what_its_class_has_whatever_happens():
    owner = Owner()
    with pytest.raises(ZeroDivisionError), swapped(owner, "method", lambda: 1 / 0):
        owner.method()
    assert "method" not in vars(owner)
    assert owner.method() == "theirs"
