"""The documents that are generated are in step with the code."""

import importlib.util
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
