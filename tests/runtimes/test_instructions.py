"""Which instructions a runtime multiplies with, and what they make of 8 bits."""

import pytest

from edged.runtimes.devices import Device
from edged.runtimes.instructions import arithmetic, instructions

AVX2 = "fpu sse4_2 avx avx2 fma"
AVX512 = f"{AVX2} avx512f avx512bw"
VNNI = f"{AVX512} avx512_vnni"
AMX = f"{VNNI} avx_vnni avx512_bf16 amx_bf16 amx_tile amx_int8"


@pytest.mark.parametrize(
    ("line", "isa", "made"),
    [
        (f"flags\t\t: {AVX2}", "avx2", "avx2"),
        (f"flags\t\t: {AVX2} avx_vnni", "avx2_vnni", "vnni"),
        (f"flags\t\t: {AVX512}", "avx512", "avx2"),
        (f"flags\t\t: {VNNI}", "avx512_vnni", "vnni"),
        (f"flags\t\t: {VNNI} avx512_bf16", "avx512_bf16", "vnni"),
        (f"flags\t\t: {AMX}", "avx512_amx", "vnni"),
        ("Features\t: fp asimd evtstrm", "arm64", "arm64"),
        ("Features\t: fp asimd asimddp", "arm64_dot", "arm64"),
        ("isa\t: rv64imafdcv", "", ""),
    ],
)
def test_the_best_that_the_cpu_tells(tmp_path, monkeypatch, line, isa, made):
    monkeypatch.delenv("OV_CPU_MAX_ISA", raising=False)
    told = tmp_path / "cpuinfo"
    told.write_text(f"processor\t: 0\n{line}\n\nprocessor\t: 1\n{line}\n")
    assert {instructions(runtime, told) for runtime in ("openvino", "onnxruntime")} == {isa}
    assert arithmetic(isa) == made


@pytest.mark.parametrize(
    ("most", "isa"),
    [("AVX2", "avx2"), ("avx512_core_vnni", "avx512_vnni"), ("SSE41", ""), ("AVX512_CORE_AMX", "avx512_amx")],
)
def test_openvino_can_be_kept_to_less_and_onnxruntime_cannot(tmp_path, monkeypatch, most, isa):
    monkeypatch.setenv("OV_CPU_MAX_ISA", most)
    told = tmp_path / "cpuinfo"
    told.write_text(f"flags\t\t: {AMX}\n")
    assert instructions("openvino", told) == isa
    assert instructions("onnxruntime", told) == "avx512_amx"


def test_nobody_tells(tmp_path):
    assert instructions("onnxruntime", tmp_path / "nothing") == ""


def test_a_measurement_holds_for_the_same_instructions():
    one, other = (Device("cpu", "openvino", "a CPU", ("f32",), "1", isa) for isa in ("avx2", "avx512_amx"))
    assert one.identity != other.identity
    assert Device("gpu", "openvino", "a GPU", ("f32",), "1").identity == "a GPU, openvino 1"
