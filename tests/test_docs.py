"""The documents that are generated are in step with the code."""

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def generated():
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.documents()


@pytest.mark.parametrize("name", ["services.md", "config.md", "messages.md"])
def test_generated_documents_are_in_step(name):
    assert (DOCS / name).read_text("utf-8") == generated()[DOCS / name], "run `make docs`"


@pytest.mark.parametrize("name", ["services.md", "config.md", "messages.md"])
def test_every_row_says_what_it_is(name):
    rows = [line for line in (DOCS / name).read_text("utf-8").splitlines() if line.startswith("| `")]
    assert len(rows) > 10
    assert not [row for row in rows if row.split(" | ")[-1].strip(" |") == ""]


def test_every_decision_stands_in_the_index_in_order():
    index = (DOCS / "adr" / "README.md").read_text("utf-8")
    listed = re.findall(r"^\* \[(\d{4})\]\((\1-[\w-]+\.md)\): \S", index, re.M)
    pages = sorted(path.name for path in (DOCS / "adr").glob("[0-9]*.md"))
    assert [name for _, name in listed] == pages
    assert len({name[:4] for name in pages}) == len(pages), "each number once"


@pytest.mark.parametrize("page", sorted((DOCS / "adr").glob("[0-9]*.md")), ids=lambda page: page.stem)
def test_a_decision_says_what_why_and_instead_of_what(page):
    text = page.read_text("utf-8")
    assert text.startswith(f"# {page.name[:4]}: ")
    assert all(f"**{part}**:" in text for part in ("Why", "Instead of", "So"))
