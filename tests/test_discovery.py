"""One bad plugin never hides another, and nothing replaces anything in silence."""

import textwrap
from pathlib import Path

import pytest
import yaml

from edged.discovery import discover
from tests.graphs import LEAST, NOT_THERE

PLUGINS = Path(__file__).parent.parent / "plugins"
CARD = {
    "api": 2,
    **LEAST,
    "weights": NOT_THERE,
    "graphs": {
        "main": {
            "weights": ["a.onnx"],
            "inputs": {"x": {"kind": "picture", "size": [8, 8], "fit": "stretch", "colour": "rgb"}},
            "outputs": ["y"],
            "variants": ["onnxruntime-f32"],
        }
    },
    "labels": ["cat", "dog"],
}
GOOD = """
    from edged import Classification, Model, hookimpl

    class Fine(Model):
        def infer(self, item, options, tools, run):
            return Classification([1.0, 0.0], ["cat", "dog"])

    @hookimpl
    def register_models(register):
        register(Fine)
"""


def plugin(folder, name, code, **card):
    place = folder / name
    place.mkdir(parents=True)
    (place / "plugin.py").write_text(textwrap.dedent(code))
    (place / "card.yaml").write_text(yaml.safe_dump({**CARD, "id": name, **card}))
    return str(place)


def by_card(folder, name, **card):
    place = folder / name
    place.mkdir(parents=True)
    (place / "card.yaml").write_text(yaml.safe_dump({**CARD, "id": name, **card}))
    return str(place)


def found(*folders):
    return discover(folders, entry_points=False)


def test_the_plugins_that_come_with_edged():
    catalogue = found(PLUGINS)
    assert catalogue.failures == {}
    assert "yolox-nano" in catalogue.models
    assert set(catalogue.decoders) >= {"yolox", "classification"}
    assert catalogue.sources["yolox-nano"] == str(PLUGINS / "yolox-nano")


HOOK = "from edged import hookimpl\n@hookimpl\n"
BAD = {
    "import os\nraise RuntimeError('no labels file')": "RuntimeError: no labels file.*plugin.py, line 2",
    "def f(:": "SyntaxError",
    "import sys\nsys.exit(3)": "SystemExit: 3",
    "import no_such_module": "No module named 'no_such_module'",
    "x = 1": "offers nothing; is a hook marked with @hookimpl",
    HOOK + "def register_models(register):\n    raise SystemExit": "SystemExit",
    HOOK + "def register_models(register):\n    register(5)": "`register` wants a model's class, not 5",
    HOOK + "def register_models(register):\n    register(lambda card: 5)": "5 is not an edged.Model",
    HOOK + "def register_models(register):\n    register(print, 'no.yaml')": r"no\.yaml",
    HOOK + "def register_model(register):\n    pass": (
        r"unknown hook 'register_model' in plugin .*\nThe hooks are: register_models\(register\), "
        r"register_decoders\(register\)"
    ),
    HOOK + "def register_models(registr):\n    pass": (
        r"(?s)Plugin 'bad' for hook 'register_models'.*register_models\(registr\).*'registr'"
    ),
    "from .missing import x": "missing",
}


@pytest.mark.parametrize(("code", "reason"), BAD.items())
def test_a_bad_plugin_is_reported_and_the_others_live(tmp_path, code, reason, caplog):
    bad = plugin(tmp_path, "bad", code)
    plugin(tmp_path, "a-good-one", GOOD)
    plugin(tmp_path, "z-good-one", GOOD)
    catalogue = found(tmp_path)
    assert sorted(catalogue.models) == ["a-good-one", "z-good-one"]
    assert list(catalogue.failures) == [bad]
    with pytest.raises(Exception, match=reason):
        raise catalogue.failures[bad]
    assert bad in caplog.text, "it is logged too"


def test_ctrl_c_while_a_plugin_loads_is_no_fault_of_the_plugin(tmp_path):
    plugin(tmp_path, "slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        found(tmp_path)


def test_a_plugin_that_fails_half_way_registers_nothing(tmp_path):
    half = GOOD + "        raise RuntimeError('the second model is broken')\n"
    decoder = "\n    @hookimpl\n    def register_decoders(register):\n        register('d', Fine)\n"
    place = plugin(tmp_path, "half", half + decoder)
    catalogue = found(tmp_path)
    assert catalogue.models == catalogue.decoders == catalogue.sources == {}
    assert "second model is broken" in str(catalogue.failures[place])


def test_of_two_models_with_one_id_the_later_is_left_out(tmp_path):
    first = plugin(tmp_path / "shipped", "cats", GOOD)
    second = plugin(tmp_path / "own", "cats", GOOD)
    catalogue = found(tmp_path / "shipped", tmp_path / "own")
    assert catalogue.sources == {"cats": first}
    assert f"'cats' is taken by {first}" in str(catalogue.failures[second])


def test_one_plugin_that_offers_an_id_twice_is_left_out(tmp_path):
    place = plugin(tmp_path, "cats", GOOD + "        register(Fine)\n")
    catalogue = found(tmp_path)
    assert catalogue.models == {}
    assert "taken by this plugin itself" in str(catalogue.failures[place])


def test_a_decoder_name_is_not_replaced(tmp_path):
    code = HOOK + "def register_decoders(register):\n    register('d', print)\n"
    plugin(tmp_path, "a", code)
    second = plugin(tmp_path, "b", code)
    assert "decoder name 'd' is taken" in str(found(tmp_path).failures[second])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"service": "image-clasification"}, "did you mean image-classification"),
        ({"service": "video-super-resolution"}, "options.scale: this key is missing"),
        ({"service": "object-detection"}, "options.score_threshold: this key is missing"),
        ({"options": {"top_k": 5}}, "options.top_k: this key is unknown"),
    ],
)
def test_a_card_that_does_not_fit_its_service(tmp_path, changes, reason):
    place = plugin(tmp_path, "cats", GOOD, **changes)
    catalogue = found(tmp_path)
    assert catalogue.models == {}
    assert reason in str(catalogue.failures[place])
    assert "card.yaml" in str(catalogue.failures[place])


def test_a_folder_with_a_card_alone_becomes_a_model_through_a_decoder(tmp_path):
    by_card(tmp_path, "a-card", decoder="classification", parameters={"activation": "softmax"})
    catalogue = found(tmp_path, PLUGINS)
    assert catalogue.failures == {}
    assert type(catalogue.models["a-card"]).__name__ == "Classifier"


def test_a_card_alone_never_wins_over_code(tmp_path):
    place = by_card(tmp_path / "a", "cats", decoder="classification", parameters={"activation": "none"})
    coded = plugin(tmp_path / "b", "cats", GOOD)
    catalogue = found(tmp_path / "a", PLUGINS, tmp_path / "b")
    assert catalogue.sources["cats"] == coded
    assert "taken" in str(catalogue.failures[place])


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ({}, r"must name one that is known \(classification, embedding, ppocr, yolox\), not None"),
        ({"decoder": "ssd"}, "not 'ssd'"),
        ({"decoder": "classification"}, r"parameters\.activation: this key is missing"),
        ({"decoder": "yolox", "parameters": {"strides": [8]}}, "options"),
    ],
)
def test_a_card_alone_that_cannot_be_used(tmp_path, card, reason):
    service = "object-detection" if card.get("decoder") == "yolox" else "image-classification"
    place = by_card(tmp_path, "mine", **{**card, "service": service})
    with pytest.raises(Exception, match=reason):
        raise found(PLUGINS, tmp_path).failures[place]


def test_a_plugin_may_have_neighbours_and_a_name_that_python_would_not_take(tmp_path):
    place = plugin(tmp_path, "2-cats", "from .graph import CODE\n" + textwrap.dedent(GOOD))
    (Path(place) / "graph.py").write_text("CODE = 1")
    assert found(tmp_path).failures == {}


def test_a_plugin_may_have_several_cards_beside_it(tmp_path):
    place = plugin(
        tmp_path, "cats", GOOD.replace("register(Fine)", "register(Fine, 'small.yaml', 'large.yaml')")
    )
    for name in ("small", "large"):
        (Path(place) / f"{name}.yaml").write_text(yaml.safe_dump({**CARD, "id": f"cats-{name}"}))
    catalogue = found(tmp_path)
    assert catalogue.sources == {"cats-small": place, "cats-large": place}
    assert {model.card.folder for model in catalogue.models.values()} == {Path(place)}


def test_two_plugins_of_one_name_are_two_modules(tmp_path):
    plugin(tmp_path / "a", "cats", GOOD)
    plugin(tmp_path / "b", "cats", GOOD, id="other-cats")
    catalogue = found(tmp_path / "a", tmp_path / "b")
    assert sorted(catalogue.models) == ["cats", "other-cats"]
    assert len({type(model).__module__ for model in catalogue.models.values()}) == 2


def test_folders_that_are_no_plugins(tmp_path):
    for name in ("__pycache__", ".git", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "README.md").write_text("")
    catalogue = found(tmp_path, tmp_path / "nowhere")
    assert set(catalogue.failures) == {str(tmp_path / "empty"), str(tmp_path / "nowhere")}
    assert "neither plugin.py nor card.yaml" in str(catalogue.failures[str(tmp_path / "empty")])


def test_installed_packages_offer_models_by_entry_points(tmp_path, monkeypatch):
    place = Path(plugin(tmp_path, "installed_cats", GOOD, id="installed-cats"))
    (place / "__init__.py").write_text("")
    installed = tmp_path / "cats_for_edged-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: cats-for-edged\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[edged]\nbroken=no_such_cats\ncats=installed_cats.plugin\n")
    monkeypatch.syspath_prepend(tmp_path)
    catalogue = discover([])
    assert catalogue.sources["installed-cats"] == "cats-for-edged: cats"
    assert "no_such_cats" in str(catalogue.failures["cats-for-edged: broken"])
    assert "installed-cats" not in found().models
