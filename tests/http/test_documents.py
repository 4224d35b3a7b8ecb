"""OpenAPI, KServe's metadata, /api/status, the files of the page."""

import hashlib
import re
from types import SimpleNamespace

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from edged.contracts.services import SERVICES
from edged.http.openapi import openapi
from edged.http.page import Page
from edged.http.status import ServiceStatus, Status
from edged.kserve.models import metadata
from edged.repository.outline import Outline
from edged.runtimes.signature import Port, Signature
from tests.http.cards import CARD, SIGNATURES
from tests.http.conftest import FakeInstance


def test_the_document_is_openapi(shared):
    document = shared.get("/openapi.json").json
    assert document == openapi("1.2.3")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_service_with_a_contract_stands_in_it():
    paths = openapi("1")["paths"]
    assert {p.rpartition("/")[2] for p in paths if p.startswith("/api/predict/")} == set(SERVICES)


def test_its_examples_fit_its_schemas():
    document = openapi("1")
    for path, item in document["paths"].items():
        if not path.startswith("/api/predict/"):
            continue
        content = item["post"]["requestBody"]["content"]["application/json"]
        schema = {**content["schema"], "components": document["components"]}
        for example in content["examples"].values():
            Draft202012Validator(schema).validate(example["value"])


def test_its_paths_are_the_routes_and_their_methods(shared):
    """All but the page's own."""
    documented = {
        (method.upper(), re.sub(r"^/api/predict/.+", "/api/predict/{service}", path))
        for path, item in openapi("1")["paths"].items()
        for method in item.keys() - {"parameters"}
    }
    routes = {(m, r.path) for r in shared.unit._app.routes for m in r.methods - {"HEAD"}}
    assert documented == routes - {("GET", "/"), ("GET", "/static/{name:path}")}


def test_operations_have_names_of_their_own():
    items = openapi("1")["paths"].values()
    names = [item[m]["operationId"] for item in items for m in ("get", "post") if m in item]
    assert len(set(names)) == len(names)


def test_status(shared):
    body = shared.get("/api/status").json
    status = Status.model_validate(body)
    assert (status.node, status.queues, status.streams[0].name) == ("box", {"requests": 3}, "door")


def test_health_says_why_not(box):
    box.start()
    assert box.get("/v2/health/live").json == {"live": True}
    assert (box.get("/v2/health/ready").code, box.get("/v2/health/ready").json["ready"]) == (200, True)
    box.services = [ServiceStatus(service="ocr", state="loading")]
    not_ready = box.get("/v2/health/ready")
    assert (not_ready.code, not_ready.json) == (503, {"ready": False, "why": "ocr: loading"})
    assert box.get("/v2/health/live").code == 200
    box.services = [ServiceStatus(service="ocr", state="idle", pinned=False)]
    assert box.get("/v2/health/ready").code == 200, "nobody waits for it"


def test_metadata_of_server_and_model(shared):
    assert shared.get("/v2").json["name"] == "edged"
    assert shared.get("/v2/models/fake").json == {
        "name": "fake",
        "versions": ["onnxruntime-f32"],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": "image", "datatype": "UINT8", "shape": [-1, 416, -1, 3]},
            {"name": "scale", "datatype": "FP32", "shape": [1, 2]},
        ],
        "outputs": [{"name": "boxes", "datatype": "FP32", "shape": [-1, 6]}],
        "labels": ["person", "crane, bird", "crane, machine"],
        "parameters": {"service": "object-detection", "device": "cpu"},
    }
    assert shared.get("/v2/models/fake/ready").json == {"name": "fake", "ready": True}


def test_metadata_of_several_graphs_names_each_tensors_graph():
    graph = CARD.graphs["main"]
    types = {"ids": (np.int64, "INT64"), "half": (np.float16, "FP16"), "found": (np.bool_, "BOOL")}
    outputs = [Port(name, np.dtype(kind), ()) for name, (kind, _) in types.items()]
    text = graph.model_copy(update={"outputs": [*types, "words"]})
    card = CARD.model_copy(update={"graphs": {"main": graph, "text": text}})
    said = Signature([Port("x", np.dtype(np.int32), (None,))], [*outputs, Port("words", np.dtype("S"), (1,))])
    instance = SimpleNamespace(
        card=card, facts=FakeInstance.facts, signatures={"main": SIGNATURES["main"], "text": said}
    )
    told = metadata(instance)
    assert [tensor["name"] for tensor in told["inputs"]] == ["main/image", "main/scale", "text/x"]
    assert told["inputs"][-1] == {"name": "text/x", "datatype": "INT32", "shape": [-1]}
    assert told["outputs"][0]["name"] == "main/boxes"
    assert {tensor["name"]: tensor["datatype"] for tensor in told["outputs"][1:]} == {
        f"text/{name}": datatype for name, (_, datatype) in types.items()
    }, "texts are left out"


def test_metadata_of_one_that_loads_when_it_is_asked(box):
    idle = Outline(CARD, FakeInstance.facts.model_copy(update={"name": "idle"}), SIGNATURES)
    box.idle = lambda model: idle if model == "idle" else None
    box.start()
    told, other = box.get("/v2/models/idle").json, box.get("/v2/models/fake").json
    assert told["labels"] == list(CARD.class_names()) and told["inputs"] == other["inputs"]
    assert box.get("/v2/models/idle/ready").json == {"name": "idle", "ready": False}
    assert box.get("/v2/models/other").code == 404


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/other/ready"])
def test_a_model_that_is_not_served(shared, path):
    answer = shared.get(path)
    assert answer.code == 404 and list(answer.json) == ["error"]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A box whose page is small."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "static").mkdir()
    (folder / "static" / "index.html").write_text("<!doctype html>")
    (folder / "static" / "app.js").write_text("'use strict'")
    (folder / "secret.txt").write_text("secret")
    return Page(folder / "static")


@pytest.fixture
def paged(box, page, monkeypatch):
    monkeypatch.setattr("edged.http.app.Page", lambda: page)
    return box.start()


def test_the_page_and_its_files(paged):
    index = paged.get("/")
    assert (index.body, index.headers.get_content_type()) == (b"<!doctype html>", "text/html")
    script = paged.get("/static/app.js")
    assert (script.body, script.headers.get_content_type()) == (b"'use strict'", "text/javascript")
    assert paged.ask("HEAD", "/").code == 200


def test_who_has_a_file_need_not_fetch_it_again(paged):
    etag = paged.get("/static/app.js").headers["ETag"]
    assert hashlib.sha256(b"'use strict'").hexdigest().startswith(etag.strip('"'))
    again = paged.get("/static/app.js", If_None_Match=etag)
    assert (again.code, again.body) == (304, b"")
    assert paged.get("/static/app.js", If_None_Match='"other"').code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/..%2fsecret.txt",
        "/static//secret.txt",
        "/static/",
        "/static/app.js/",
        "/static/app.js%00.txt",
        "/static/....//secret.txt",
    ],
)
def test_no_path_leads_out(paged, path):
    answer = paged.get(path)
    assert answer.code == 404
    assert b"secret" not in answer.body
