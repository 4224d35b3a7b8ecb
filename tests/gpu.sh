#!/bin/sh
# What the GPU of this machine gives, by edged's own way: tries it out, runs the derived models on it and on the
# CPU, prints the table (Markdown) and leaves gpu.json in $OUT (none: here). A few minutes.
#
#     tests/gpu.sh [--models FOLDER] [--deadline SECONDS] [MODEL...]
#
# It needs the extra `gpu` (onnxruntime-ep-webgpu), libvulkan1 and a driver of Vulkan; `edged devices` says what
# is missing. Any Python from 3.11 with what edged needs: PYTHON, else .venv, else python3.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
command -v "$python" >/dev/null || python=python3

uname -srm
grep -m1 "model name" /proc/cpuinfo || true
ls -l /dev/dri /dev/nvidia* /dev/dxg 2>/dev/null || true
ls -d /sys/class/drm/* 2>/dev/null || echo "/sys/class/drm is empty"
! command -v nvidia-smi >/dev/null || nvidia-smi -L || true
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
exec "$python" -m tests.bench.gpu --out "${OUT:-.}" "$@"
