"""Matroska files of one sound track, written by hand: whatever a stranger may claim."""

import struct


def element(kind, body):
    """With a length of eight bytes."""
    return bytes.fromhex(kind) + struct.pack(">Q", len(body) | 1 << 56) + body


def matroska(rate, packets, codec=b"A_PCM/INT/LIT", *, channels=1, bits=8, private=b""):
    """Each packet is a block of its own."""
    head = element("1A45DFA3", element("4282", b"matroska") + element("4287", b"\4") + element("4285", b"\2"))
    sound = element("B5", struct.pack(">d", rate)) + element("9F", bytes([channels]))
    sound = element("E1", sound + element("6264", bytes([bits])))
    track = element("D7", b"\1") + element("73C5", b"\1") + element("83", b"\2") + element("86", codec)
    track = element("AE", track + (element("63A2", private) if private else b"") + sound)
    blocks = b"".join(element("A3", b"\x81\0\0\x80" + packet) for packet in packets)
    info = element("1549A966", element("2AD7B1", b"\x0f\x42\x40"))
    cluster = element("1F43B675", element("E7", b"\0") + blocks)
    return head + element("18538067", info + element("1654AE6B", track) + cluster)


def _remainder(data, bits, polynomial):
    top, mask, value = 1 << (bits - 1), (1 << bits) - 1, 0
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
    return value


def silent_flac(frames_a_packet, packets=1):
    """Of eight channels; a frame has 34 bytes and 65,535 samples of each."""
    head = bytes([0xFF, 0xF8, 0x7A, 0x78, 0]) + struct.pack(">H", 65_534)
    frame = head + bytes([_remainder(head, 8, 0x07)]) + b"\0\0\0" * 8
    frame += struct.pack(">H", _remainder(frame, 16, 0x8005))
    facts = (48_000 << 44 | 7 << 41 | 15 << 36).to_bytes(8, "big")
    private = b"fLaC\x80\0\0\x22" + struct.pack(">HH", 16, 65_535) + bytes(6) + facts + bytes(16)
    return matroska(
        48_000.0, [frame * frames_a_packet] * packets, b"A_FLAC", channels=8, bits=16, private=private
    )
