"""Which GPUs the machine's Vulkan drivers offer. Asked in a child alone: a driver may hang or crash."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edged.contracts.errors import VariantError

LOADER = "libvulkan.so.1"
_NO_DRIVER = -9  # VK_ERROR_INCOMPATIBLE_DRIVER
_INSTANCE_INFO = 1  # VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO
_KINDS = ("other", "integrated", "discrete", "virtual", "software")
_BEST_FIRST = ("discrete", "integrated", "virtual", "other", "software")
_NVIDIA = 0x10DE
_PROPERTIES_BYTES = 4096
"""VkPhysicalDeviceProperties takes 824; a later version of it may take more."""


class NoLoader(VariantError):
    """Vulkan's own library is not installed."""


class NoDriver(VariantError):
    """Vulkan is there, but no driver of a GPU."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A GPU, or what computes like one."""

    name: str
    """As its maker calls it."""
    kind: str
    """`integrated`, `discrete`, `virtual`, `other`, or `software`: then the CPU does it."""
    driver: str
    """Version of its driver, as the driver tells it."""

    @property
    def is_software(self) -> bool:
        """Whether it is the CPU after all."""
        return self.kind == "software"


class _Head(ctypes.Structure):
    """The beginning of VkPhysicalDeviceProperties."""

    _fields_ = [
        *((name, ctypes.c_uint32) for name in ("api", "driver", "vendor", "device", "kind")),
        ("name", ctypes.c_char * 256),
    ]


class _InstanceInfo(ctypes.Structure):
    """VkInstanceCreateInfo."""

    _fields_ = [
        ("type", ctypes.c_int32),
        ("next", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("application", ctypes.c_void_p),
        ("layer_count", ctypes.c_uint32),
        ("layers", ctypes.c_void_p),
        ("extension_count", ctypes.c_uint32),
        ("extensions", ctypes.c_void_p),
    ]


def adapters() -> list[Adapter]:
    """All of them, the likely fastest first. Raises `NoLoader`, and `NoDriver` when there is none."""
    try:
        vulkan = ctypes.CDLL(LOADER)
    except OSError as error:
        raise NoLoader(f"Vulkan's library {LOADER} is not installed: {error}") from error
    instance = ctypes.c_void_p()
    failed = vulkan.vkCreateInstance(
        ctypes.byref(_InstanceInfo(type=_INSTANCE_INFO)), None, ctypes.byref(instance)
    )
    if failed:
        what = "no driver of a GPU is installed" if failed == _NO_DRIVER else f"it fails with {failed}"
        raise NoDriver(f"Vulkan is installed, but {what}")
    try:
        found = sorted(_adapters(vulkan, instance), key=lambda one: _BEST_FIRST.index(one.kind))
    finally:
        vulkan.vkDestroyInstance(instance, None)
    if not found:
        raise NoDriver("Vulkan's drivers find no GPU that they can use")
    return found


def _adapters(vulkan: Any, instance: ctypes.c_void_p) -> Iterator[Adapter]:
    count = ctypes.c_uint32()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
    devices = (ctypes.c_void_p * count.value)()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), devices)
    for device in devices[: count.value]:
        told = ctypes.create_string_buffer(_PROPERTIES_BYTES)
        vulkan.vkGetPhysicalDeviceProperties(ctypes.c_void_p(device), told)
        head = _Head.from_buffer(told)
        kind = _KINDS[head.kind] if head.kind < len(_KINDS) else "other"
        yield Adapter(head.name.decode(errors="replace"), kind, _version(head.vendor, head.driver))


def _version(vendor: int, number: int) -> str:
    """NVIDIA packs the parts of its version in another way than all others."""
    if vendor == _NVIDIA:
        return f"{number >> 22}.{number >> 14 & 0xFF}.{number >> 6 & 0xFF}"
    return f"{number >> 22}.{number >> 12 & 0x3FF}.{number & 0xFFF}"
