"""MP4 written by hand: what no encoder makes."""

import struct


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def numbers(*values):
    return struct.pack(f">{len(values)}I", *values)


def crowded(samples):
    """5 kB with a sound track that says to have so many samples of a byte: FFmpeg lists each, in 24 bytes."""
    form = bytes(6) + struct.pack(">H8xHHHHI", 1, 1, 16, 0, 0, 16_000 << 16)
    table = box(
        b"stbl",
        box(b"stsd", numbers(0, 1), box(b"alaw", form)),
        box(b"stts", numbers(0, 1, samples, 2)),
        box(b"stsc", numbers(0, 1, 1, samples, 1)),
        box(b"stsz", numbers(0, 1, samples)),
        box(b"stco", numbers(0, 1, 40)),
    )
    heads = box(b"mdhd", numbers(0, 0, 0, 16_000, 1_000, 0)), box(b"hdlr", bytes(8), b"soun", bytes(13))
    media = box(b"mdia", *heads, box(b"minf", box(b"smhd", bytes(8)), table))
    track = box(b"trak", box(b"tkhd", numbers(7, 0, 0, 1), bytes(68)), media)
    movie = box(b"moov", box(b"mvhd", numbers(0, 0, 0, 16_000, 1_000), bytes(80)), track)
    return box(b"ftyp", b"isom", bytes(4), b"isom") + box(b"mdat", bytes(4_000)) + movie
