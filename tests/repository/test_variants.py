"""Which variant is tried first, as a table."""

import pytest

from edged.derive.manifest import Manifest, Measured, recipe
from edged.repository.variants import Candidate, Preference, candidates
from edged.runtimes.devices import Device
from tests.graphs import card, write_graph

ALL = ("openvino-f32", "openvino-bf16", "openvino-int8", "onnxruntime-f32", "onnxruntime-int8")
F32_FIRST = sorted(ALL, key=lambda name: not name.endswith("f32"))
CPU = [Device("cpu", runtime, "a CPU", ("f32",), "1") for runtime in ("openvino", "onnxruntime")]
GPU = Device("gpu", "openvino", "a GPU", ("f32", "f16"), "1")


@pytest.fixture(scope="module")
def of(tmp_path_factory):
    return card(write_graph(tmp_path_factory.mktemp("graph") / "small.onnx"))


def derived(of, names=ALL, **measured):
    """Manifests of `names`; `openvino_int8=(agreement, ms)` for what was measured on the CPU."""
    found = {}
    for name in names:
        manifest = Manifest(
            model="small", variant=name, recipe=recipe(of, name), tools={}, files={}, seconds=0
        )
        if given := measured.get(name.replace("-", "_")):
            device = CPU[0] if name.startswith("openvino") else CPU[1]
            facts = {"why_not": given} if isinstance(given, str) else {"agreement": given[0], "ms": given[1]}
            manifest = manifest.with_measured(Measured(device="cpu", identity=device.identity, **facts))
        found[name] = manifest
    return found


WEBGPU = Device("gpu", "onnxruntime", "a GPU", ("f32",), "1")


@pytest.mark.parametrize("precision", ["auto", "f32"])
@pytest.mark.parametrize(
    ("found", "of_any", "of_it"),
    [
        ({"agreement": 1.0, "ms": 3.0}, True, True),  # faster than the CPU
        ({"agreement": 0.14, "ms": 3.0}, False, False),  # it computes wrong
        ({"why_not": "values that are not finite"}, False, False),
        (None, False, True),  # not measured: whoever names it gets it
    ],
)
def test_a_gpu_of_onnxruntime_is_taken_where_it_was_measured_and_agrees(of, precision, found, of_any, of_it):
    manifests = derived(of, ["onnxruntime-f32"], onnxruntime_f32=(1.0, 12.0))
    if found:
        measured = Measured(device="gpu", identity=WEBGPU.identity, **found)
        manifests = {name: one.with_measured(measured) for name, one in manifests.items()}
    for device, taken in (("auto", of_any), ("gpu", of_it)):
        ranking = candidates(of, [*CPU, WEBGPU], Preference(device, precision), manifests)
        first, *others = ranking.candidates
        assert first == Candidate("onnxruntime-f32", "gpu" if taken else "cpu")
        assert (Candidate("onnxruntime-f32", "cpu") in others) is taken
        assert ("onnxruntime-f32 on gpu" in map(str, ranking.skipped)) is not taken


MEASURED = {
    "openvino_f32": (1.0, 10.0),
    "openvino_bf16": "no bf16 instructions",
    "openvino_int8": (0.95, 5.0),
    "onnxruntime_f32": (1.0, 12.0),
    "onnxruntime_int8": (0.5, 4.0),
}


@pytest.mark.parametrize(
    ("wish", "measured", "expected"),
    [
        # nothing measured: f32, for nobody knows how far the others agree, then the card's order
        (Preference(), {}, F32_FIRST),
        # measured: the fastest that agrees
        (Preference(), MEASURED, ("openvino-int8", "openvino-f32", "onnxruntime-f32")),
        # int8 that is slower than the fastest f32 of either runtime is passed over
        (
            Preference(),
            {**MEASURED, "openvino_int8": (0.95, 9.0)},
            ("openvino-f32", "onnxruntime-f32"),
        ),
        # measured before not measured
        (Preference(), {"onnxruntime_f32": (1.0, 12.0)}, ("onnxruntime-f32", *ALL[:3], "onnxruntime-int8")),
        # an explicit precision is taken at its word, the rest is there to fall back on
        (
            Preference(precision="int8"),
            MEASURED,
            ("onnxruntime-int8", "openvino-int8", "openvino-f32", "onnxruntime-f32"),
        ),
        (Preference(precision="int8", strict=True), MEASURED, ("onnxruntime-int8", "openvino-int8")),
        (Preference(precision="f32", strict=True), MEASURED, ("openvino-f32", "onnxruntime-f32")),
        # asked for by name, bf16 is tried again: opening it says why not
        (
            Preference(precision="bf16"),
            MEASURED,
            ("openvino-bf16", "openvino-int8", "openvino-f32", "onnxruntime-f32"),
        ),
        (Preference(device="gpu", strict=True), MEASURED, ()),
        (Preference(device="gpu"), MEASURED, ("openvino-int8", "openvino-f32", "onnxruntime-f32")),
    ],
)
def test_order_on_the_cpu(of, wish, measured, expected):
    found = candidates(of, CPU, wish, derived(of, **measured)).candidates
    assert found == tuple(Candidate(name, "cpu") for name in expected)


def test_reasons(of):
    skipped = candidates(of, CPU, Preference(), derived(of, ALL[:4], **MEASURED)).skipped
    assert skipped == {
        "openvino-bf16 on cpu": "no bf16 instructions",
        "onnxruntime-int8 on cpu": "not derived; `edged pull small` derives it where it can be",
    }
    low = candidates(of, CPU, Preference(), derived(of, **MEASURED)).skipped["onnxruntime-int8 on cpu"]
    assert low == "agrees with f32 by 0.50, and the card wants 0.90"
    slow = derived(of, **{**MEASURED, "openvino_int8": (0.95, 9.0)})
    assert candidates(of, CPU, Preference(), slow).skipped["openvino-int8 on cpu"] == (
        "9.0 ms, not 1.2 times as fast as f32 with 10.0 ms"
    )


def test_what_is_not_there_is_named(of):
    found = candidates(of, CPU, Preference(device="gpu", precision="f16"), derived(of))
    assert found.skipped["device gpu"] == "not offered by the model on this machine"
    assert found.skipped["precision f16"] == "not offered by the model on this machine"
    assert found.candidates


def test_the_wished_device_goes_first_then_the_others(of):
    found = candidates(of, [*CPU, GPU], Preference(device="gpu", precision="f32"), derived(of, **MEASURED))
    assert found.candidates[0] == Candidate("openvino-f32", "gpu")
    assert [c.device for c in found.candidates].index("cpu") == 3
    strict = candidates(of, [*CPU, GPU], Preference("gpu", "f32", strict=True), derived(of, **MEASURED))
    assert strict.candidates == (Candidate("openvino-f32", "gpu"),)


def test_a_measurement_from_another_machine_does_not_count(of):
    elsewhere = [Device("cpu", d.runtime, "another CPU", d.capabilities, "1") for d in CPU]
    found = candidates(of, elsewhere, Preference(), derived(of, **MEASURED))
    assert [c.variant for c in found.candidates] == F32_FIRST


def test_a_stale_variant_names_the_cure(of):
    other = of.model_copy(update={"graphs": {"main": of.graphs["main"].model_copy(update={"batch_axis": 0})}})
    found = candidates(other, CPU, Preference(), derived(of))
    assert not found.candidates
    assert found.skipped["openvino-f32 on cpu"] == (
        "derived for another state of graphs; run `edged pull small`"
    )


def test_a_model_has_the_variants_that_all_its_graphs_have(of):
    second = of.graphs["main"].model_copy(update={"variants": ("onnxruntime-f32", "openvino-f32")})
    two = of.model_copy(update={"graphs": {**of.graphs, "second": second}})
    found = candidates(two, CPU, Preference(), derived(two))
    assert [c.variant for c in found.candidates] == ["openvino-f32", "onnxruntime-f32"]


def test_chance_does_not_admit_a_variant(of):
    found = derived(of, openvino_int8=(0.93, 1.0), openvino_f32=(1.0, 10.0))
    fact = found["openvino-int8"].measured[0]
    for at_least, taken in ((0.91, True), (0.89, False)):
        again = fact.model_copy(update={"at_least": at_least})
        found["openvino-int8"] = found["openvino-int8"].with_measured(again)
        ranking = candidates(of, CPU, Preference(), found)
        assert (Candidate("openvino-int8", "cpu") in ranking.candidates) is taken
    assert ranking.skipped["openvino-int8 on cpu"] == (
        "agrees with f32 by 0.930, surely by 0.890, and the card wants 0.90"
    )


@pytest.mark.parametrize(
    ("ms", "agreement", "first"),
    [
        (75.0, 0.97, "openvino-bf16"),  # hardly faster than what agrees more
        (60.0, 0.97, "openvino-int8"),
        (75.0, 0.999, "openvino-int8"),  # it agrees no less
    ],
)
def test_a_variant_that_agrees_less_must_be_worth_it(of, ms, agreement, first):
    found = derived(of, openvino_f32=(1.0, 300.0), openvino_bf16=(0.999, 80.0), openvino_int8=(agreement, ms))
    ranking = candidates(of, CPU, Preference(), found)
    assert ranking.candidates[0].variant == first
    if first == "openvino-bf16":
        assert ranking.skipped["openvino-int8 on cpu"] == (
            "75.0 ms, not 1.2 times as fast as openvino-bf16 with 80.0 ms"
        )
