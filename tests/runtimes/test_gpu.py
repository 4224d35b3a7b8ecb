"""What a GPU lacks is told with the command that mends it; a driver may do what it likes."""

from dataclasses import replace

import pytest

from edged.children.terms import Terms
from edged.runtimes.gpu import Gpu, examined, tried

FAKES = "tests.runtimes.fake_gpu"
PATIENT = Terms(start_s=60.0, again=False)


def node(dev, name="dri/renderD128"):
    (dev / name).parent.mkdir(parents=True, exist_ok=True)
    (dev / name).touch()
    return dev / name


def test_nobody_who_has_none_and_wants_none_is_bothered(tmp_path):
    assert examined(tmp_path, False, {}) is None


def test_the_package_is_missing(tmp_path):
    node(tmp_path)
    found = examined(tmp_path, False, {})
    assert found == Gpu("", "", "ONNX Runtime's WebGPU provider is not installed", "pip install 'edged[gpu]'")


def test_there_is_no_device(tmp_path):
    found = examined(tmp_path, True, {})
    assert found
    assert "no device of a GPU" in found.missing
    assert "--device /dev/dri" in found.mend


def test_the_device_may_not_be_opened(tmp_path):
    (tmp_path / "nvidia0").symlink_to(tmp_path / "nowhere")  # root may open all that there is
    found = examined(tmp_path, True, {})
    assert found
    assert "may not open" in found.missing
    assert "usermod" in found.mend


@pytest.mark.parametrize(
    ("probe", "why"),
    [
        ("hangs", "for 1 s"),
        ("segfaults", "SIGSEGV"),
        ("ends", "code 3"),
        ("babbles", "7"),
    ],
)
def test_a_driver_that_fails_is_told_by_its_deadline(probe, why):
    found = tried(False, f"{FAKES}:{probe}", replace(PATIENT, start_s=1.0) if probe == "hangs" else PATIENT)
    assert found.name == ""
    assert why in found.missing
    assert "apt-get" in found.mend


def test_what_a_probe_finds():
    assert tried(False, f"{FAKES}:answers", PATIENT) == Gpu("Fake 9000", "1.2.3")
