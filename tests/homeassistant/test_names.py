"""Ids for Home Assistant: only letters that it takes, the same for ever, and no two names with the same."""

import re
import subprocess
import sys

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.homeassistant.names import MOST_OF_SLUG, hashed, identity, quoted, readable, slug

TAKEN = re.compile(r"[A-Za-z0-9_-]+")
NAMES = [
    *("door", "tür", "tur", "Tür", "TUR", "tu r", "tu_r", "tu-r", "救命", "救 命", "ß", "é", "e\u0301", "🚪"),
    *("a" * 64, "a" * 63 + "b", "_", "-", ".", "''", "{{", "None", "1"),
]
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1)


def test_ids_of_names_that_look_alike_differ():
    ids = [identity(name) for name in NAMES]
    assert len(set(ids)) == len(NAMES)
    assert all(TAKEN.fullmatch(one) for one in ids)


@given(text, text)
def test_ids_are_of_letters_that_are_taken_and_differ(a, b):
    assert TAKEN.fullmatch(identity(a))
    assert (identity(a) == identity(b)) is (a == b)
    assert identity(a, b) not in (identity(a), identity(b))


def test_a_name_is_not_two_names():
    assert identity("a", "b") != identity("a b") != identity("a_b") != identity("ab")


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (("Ladentür 1",), "ladentur_1"),
        (("shop-1", "door"), "shop_1_door"),
        (("救命",), ""),
        (("shop", "救命"), "shop"),
        (("  -- ",), ""),
        (("x" * 64,), "x" * MOST_OF_SLUG),
    ],
)
def test_people_can_read_what_is_left(names, left):
    assert slug(*names) == left


def test_people_read_a_hash_where_nothing_is_left():
    assert readable("Tür") == "tur"
    assert re.fullmatch("[0-9a-f]{8}", readable("救命"))


def test_ids_are_the_same_in_another_process():
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "from edged.homeassistant.names import identity; print(identity('shop', 'tür'))",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path), "PYTHONUTF8": "1"},
    )
    assert said.stdout.strip() == identity("shop", "tür") == "shop_tur_" + hashed("shop", "tür")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_quoted_name_is_itself_within_a_template(name):
    template = jinja2.Environment().from_string(f"{{% if name == {quoted(name)} %}}same{{% endif %}}")
    assert template.render(name=name) == "same"
