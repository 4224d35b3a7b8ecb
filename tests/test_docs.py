"""The documents that are generated are in step with the code."""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from edged.answers.schema import answer_schema
from edged.contracts.services import SERVICES

DOCS = Path(__file__).parent.parent / "docs"


PAGES = ["services.md", "classes.md", "config.md", "messages.md"]


@cache
def generated():
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.documents()


@pytest.mark.parametrize("name", PAGES)
def test_generated_documents_are_in_step(name):
    assert (DOCS / name).read_text("utf-8") == generated()[DOCS / name], "run `make docs`"


@pytest.mark.parametrize("name", ["services.md", "config.md", "messages.md"])
def test_every_row_says_what_it_is(name):
    rows = [line for line in (DOCS / name).read_text("utf-8").splitlines() if line.startswith("| `")]
    assert len(rows) > 10
    assert not [row for row in rows if row.split(" | ")[-1].strip(" |") == ""]


@cache
def sections():
    """What services.md says of each service, between its heading and the next."""
    text = (DOCS / "services.md").read_text("utf-8")
    parts = re.split(r"^## ([\w-]+)\n", text, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("name", SERVICES)
def test_a_client_can_be_written_from_what_is_said_of_a_service(name):
    of, text = SERVICES[name], sections()[name]
    request, answer, differs = re.split(r"^(?:Answer, schema|Differs from the original:)", text, flags=re.M)
    assert all(re.search(r"^\| (?:`|\*)[^\n]+ \|$", part, re.M) for part in (request, answer)), (
        "a row at least"
    )
    assert re.search(r"^\* \w", differs, re.M)
    assert f"`POST /api/predict/{name}`" in request
    assert f"`edged/<node>/request/{name}`" in request
    assert re.search(r"^\* Time: (60 s|1 h)$", request, re.M)
    asked, told = (json.loads(re.search(r"```json\n(.*?)\n```", p, re.S)[1]) for p in (request, answer))
    Draft202012Validator(of.request_schema()).validate(asked)
    Draft202012Validator(answer_schema(of)).validate(told)


@pytest.mark.parametrize("name", [s.name for s in SERVICES.values() if s.takes_sound])
def test_the_sections_of_recordings_tell_clips_and_labels(name):
    text = sections()[name]
    assert "Clips: of about 20 s" in text
    assert ("`zh` `是`, `否`" in text) is (name in ("speech-detection-zh", "music-detection"))
    assert ("`en` `female`, `male`, `none`" in text) is (name == "speaker-classification-zh")


@pytest.mark.parametrize("name", ["services.md", "messages.md"])
def test_numbers_are_written_as_people_write_them(name):
    assert not re.findall(
        r"\de[+-]\d", re.sub(r"```.*?```", "", (DOCS / name).read_text("utf-8"), flags=re.S)
    )


def test_classes_stand_in_the_docs_by_id():
    text = (DOCS / "classes.md").read_text("utf-8")
    assert "picodet-416" in text
    assert re.search(r"^\| 0 \| person \|$", text, re.M)
    assert re.search(r"^\| \d+ \| apartment_building-outdoor \|$", text, re.M)
    assert re.search(r"^\| 0 \| background \|$", text, re.M)


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
