"""Cores, devices and how they are shared out."""

import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from edged.runtimes import devices as runtimes
from edged.runtimes.devices import (
    Concurrency,
    RuntimeSettings,
    devices,
    has_accelerator,
    onnxruntime_build,
    onnxruntime_providers,
    openvino_device,
    openvino_name,
    share_out,
    usable_cores,
    usable_memory,
)


@pytest.mark.parametrize(
    ("cores", "workers", "expected"),
    [
        (1, "auto", (1, 1)),
        (2, "auto", (2, 1)),
        (3, "auto", (2, 1)),
        (4, "auto", (2, 2)),
        (7, "auto", (3, 2)),
        (4, 4, (4, 1)),
        (2, 8, (8, 1)),
        (8, 1, (1, 8)),
    ],
)
def test_cores_are_shared_out(cores, workers, expected):
    assert share_out(cores, workers) == Concurrency(*expected)


def test_the_setting():
    assert RuntimeSettings(workers=1).concurrency() == Concurrency(1, usable_cores())
    for wrong in (0, "many"):
        with pytest.raises(ValidationError):
            RuntimeSettings(workers=wrong)


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ({}, 1000),
        ({"": "max 100000"}, 1000),
        ({"": "100000 100000"}, 1),
        ({"": "50000 100000"}, 1),
        ({"system.slice/edged.service": "100000 100000", "": "max 100000"}, 1),
        ({"system.slice": "100000 100000", "system.slice/edged.service": "max 100000"}, 1),
        ({"elsewhere": "100000 100000"}, 1000),
    ],
)
def test_control_groups_limit_the_cores(tmp_path, limits, most):
    for group, limit in limits.items():
        (tmp_path / "fs" / group).mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / group / "cpu.max").write_text(limit + "\n")
    own = tmp_path / "cgroup"
    own.write_text("1:cpu:/\n0::/system.slice/edged.service\n")
    assert usable_cores(tmp_path / "fs", own) == min(most, len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ({}, 10**18),
        ({"system.slice/edged.service": "max"}, 10**18),
        ({"system.slice/edged.service": "1000000", "system.slice": "2000000"}, 1_000_000),
        ({"system.slice/edged.service": "max", "system.slice": "2000000"}, 2_000_000),
    ],
)
def test_control_groups_limit_the_memory(tmp_path, limits, most):
    for group, limit in limits.items():
        (tmp_path / "fs" / group).mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / group / "memory.max").write_text(limit + "\n")
    own = tmp_path / "cgroup"
    own.write_text("1:cpu:/\n0::/system.slice/edged.service\n")
    box = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert usable_memory(tmp_path / "fs", own) == min(most, box)


def test_half_of_the_memory_is_for_decoding_unless_the_configuration_says_how_much():
    assert RuntimeSettings().memory_bytes() == usable_memory() // 2
    assert RuntimeSettings(memory=200_000_000).memory_bytes() == 200_000_000


def test_affinity_limits_the_cores():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
    code += "from edged.runtimes.devices import usable_cores; print(usable_cores())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "1"


def test_both_runtimes_have_the_cpu_and_it_comes_first():
    found = devices()
    assert {(d.name, d.runtime) for d in found} >= {("cpu", "openvino"), ("cpu", "onnxruntime")}
    assert found[0].name == "cpu"
    assert all("f32" in d.capabilities and d.full_name and d.version for d in found if d.name == "cpu")


@pytest.mark.parametrize(
    ("node", "expected"),
    [("dri/renderD128", True), ("accel/accel0", True), ("dxg", True), ("dri/card0", False), ("null", False)],
)
def test_drivers_of_accelerators_are_loaded_where_there_may_be_one(tmp_path, node, expected):
    (tmp_path / node).parent.mkdir(exist_ok=True)
    (tmp_path / node).touch()
    assert has_accelerator(tmp_path) is expected


@pytest.mark.parametrize(
    ("ours", "theirs"), [("cpu", "CPU"), ("gpu", "GPU"), ("gpu:1", "GPU.1"), ("npu", "NPU")]
)
def test_names_of_devices(ours, theirs):
    assert openvino_device(ours) == theirs
    assert openvino_name(theirs) == ours


def test_the_first_gpu_of_several():
    assert openvino_name("GPU.0") == "gpu"


def test_providers():
    assert onnxruntime_providers("cpu") == [("CPUExecutionProvider", {})]
    assert onnxruntime_providers("cuda:1")[0] == ("CUDAExecutionProvider", {"device_id": "1"})
    assert onnxruntime_providers("npu") == []


def test_what_is_told_of_onnxruntime_without_loading_it_is_what_it_says_itself():
    code = "import sys; from edged.runtimes.devices import devices; found = devices();"
    code += "print([m for m in ('onnxruntime', 'onnx', 'nncf') if m in sys.modules]);"
    code += "import onnxruntime;"
    code += "print({d.version for d in found if d.runtime == 'onnxruntime'} == {onnxruntime.__version__});"
    code += "cuda = 'CUDAExecutionProvider' in onnxruntime.get_available_providers();"
    code += "print(cuda == any(d.name == 'cuda:0' for d in found))"
    told = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert told == ["[]", "True", "True"]


@pytest.mark.parametrize(
    ("installed", "told"),
    [
        ({}, ""),
        ({"onnxruntime": "1.32.0"}, "onnxruntime 1.32.0: "),
        ({"onnxruntime-gpu": "1.32.0"}, "onnxruntime-gpu 1.32.0: "),
        (
            {"onnxruntime": "1.31.0", "onnxruntime-gpu": "1.32.0"},
            "onnxruntime 1.31.0 and onnxruntime-gpu 1.32.0: ",
        ),
    ],
)
def test_which_build_of_onnxruntime_is_there(monkeypatch, installed, told):
    monkeypatch.setattr(runtimes, "tool_version", lambda package: installed.get(package, "none"))
    found = onnxruntime_build()
    assert found.startswith(told)
    assert ("CPUExecutionProvider" in found) is bool(installed)
    assert ("uninstall both" in found) is (len(installed) == 2)


def test_no_runtime_is_loaded_before_it_is_needed():
    code = "import sys, edged.runtimes.devices, edged.runtimes.opening, edged.repository.variants;"
    code += "print([m for m in ('openvino', 'onnxruntime', 'onnx', 'nncf') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
