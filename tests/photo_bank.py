"""Small photos of every kind that files come in: those that are read, and those that are refused."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import PIL.features
import PIL.Image

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def encoded(photo: PIL.Image.Image, kind: str = "PNG", **options) -> bytes:
    data = io.BytesIO()
    photo.save(data, kind, **options)
    return data.getvalue()


def scene(width: int = 53, height: int = 37, seed: int = 0) -> PIL.Image.Image:
    """Smooth shapes with noise over them: what lossy formats keep, and what they don't."""
    y, x = np.mgrid[:height, :width]
    waves = [127 + 100 * np.sin(x / 9 + y / 17), 127 + 90 * np.cos(x / 5 - y / 7), x * 255 / width]
    noise = np.random.default_rng(seed).normal(0, 12, (height, width, 3))
    return PIL.Image.fromarray(np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8))


def with_exif(tag: bytes, order: str = "<", before: int = 0) -> bytes:
    """Exif data whose first directory holds `before` other entries and then this one of 12 bytes."""
    mark = b"II" if order == "<" else b"MM"
    others = b"".join(struct.pack(f"{order}HHI4s", 0x0100 + i, 3, 1, b"\7\0\0\7") for i in range(before))
    return mark + struct.pack(f"{order}HIH", 42, 8, before + 1) + others + tag + struct.pack(f"{order}I", 0)


def orientation_tag(value: int, order: str = "<", kind: int = 3) -> bytes:
    held = struct.pack(f"{order}HH", value, 0) if kind == 3 else struct.pack(f"{order}I", value)
    return struct.pack(f"{order}HHI", 0x0112, kind, 1) + held


def jpeg_segments(jpeg: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A JPEG with more segments (marker, content) at its beginning."""
    more = b"".join(bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in segments)
    return jpeg[:2] + more + jpeg[2:]


def png(colour: int, depth: int, transparent: bool = False) -> bytes:
    """A PNG of any colour type and depth, written by hand: Pillow writes only some."""
    random = np.random.default_rng(colour * 17 + depth)
    samples = random.integers(0, 2**depth, (9, 13, _CHANNELS[colour]))
    extra = b""
    if colour == 3:
        extra += _chunk(b"PLTE", random.bytes(3 * 2**depth))
    if transparent:
        names = samples[2, 3, : 1 if colour == 0 else 3]
        extra += _chunk(b"tRNS", random.bytes(2**depth // 2) if colour == 3 else names.astype(">u2").tobytes())
    header = struct.pack(">IIBBBBB", 13, 9, depth, colour, 0, 0, 0)
    rows = b"".join(b"\0" + _packed(row.reshape(-1), depth) for row in samples)
    parts = (_chunk(b"IHDR", header), extra, _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def readable() -> dict[str, bytes]:
    """By what is special about it, a photo that every part of the package reads to the same pixels."""
    photo = scene()
    slope = np.tile(np.linspace(0, 255, photo.width).astype(np.uint8), (photo.height, 1))
    clear = photo.copy()
    clear.putalpha(PIL.Image.fromarray(slope))
    few = photo.convert("P", palette=PIL.Image.Palette.ADAPTIVE)
    bank = {
        f"jpeg quality={quality} subsampling={some}": encoded(photo, "JPEG", quality=quality, subsampling=some)
        for quality in (30, 75, 100)
        for some in (0, 1, 2)
    }
    bank |= {
        "jpeg progressive": encoded(photo, "JPEG", progressive=True),
        "jpeg grey": encoded(photo.convert("L"), "JPEG"),
        "jpeg cmyk": encoded(photo.convert("CMYK"), "JPEG"),
        "jpeg rgb": encoded(photo, "JPEG", keep_rgb=True),
        "jpeg tall": encoded(scene(31, 77), "JPEG"),
        "webp": encoded(photo, "WEBP"),
        "webp lossless": encoded(photo, "WEBP", lossless=True),
        "webp alpha": encoded(clear, "WEBP", lossless=True),
        "webp lossy alpha": encoded(clear, "WEBP"),
        "png interlaced alpha": encoded(clear),
        "png palette": encoded(few),
        "png palette, one colour clear": encoded(few, transparency=few.getpixel((0, 0))),
        "png animated": encoded(photo, save_all=True, append_images=[scene(seed=1)]),
    }
    for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            bank[f"png colour={colour} depth={depth}"] = png(colour, depth)
            if colour in (0, 2, 3):
                bank[f"png colour={colour} depth={depth} tRNS"] = png(colour, depth, transparent=True)
    for value in range(1, 9):
        exif = PIL.Image.Exif()
        exif[0x0112] = value
        for kind, options in {"JPEG": {}, "PNG": {}, "WEBP": {"lossless": True}}.items():
            bank[f"{kind.lower()} orientation={value}"] = encoded(photo, kind, exif=exif, **options)
    plain = encoded(photo, "JPEG")
    bank |= {
        "jpeg exif behind others": jpeg_segments(
            plain,
            (0xE2, b"ICC" * 99),
            (0xFE, b"Exif\0\0"),
            (0xE1, b"Exif\0\0" + with_exif(orientation_tag(6), before=3)),
        ),
        "jpeg exif of many bytes": jpeg_segments(
            plain, (0xE1, b"Exif\0\0" + with_exif(orientation_tag(8, ">", 4), ">"))
        ),
        "jpeg exif out of range": jpeg_segments(plain, (0xE1, b"Exif\0\0" + with_exif(orientation_tag(9)))),
        "jpeg exif cut off": jpeg_segments(plain, (0xE1, b"Exif\0\0" + with_exif(orientation_tag(3))[:17])),
        "jpeg exif nonsense": jpeg_segments(plain, (0xE1, b"Exif\0\0nonsense")),
        "jpeg orientation in XMP": jpeg_segments(
            plain, (0xE1, b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>')
        ),
    }
    return bank


def refused() -> dict[str, tuple[bytes, str]]:
    """By its kind, a photo that no part of the package reads, and what is said of it."""
    photo, other = scene(), scene(seed=1)
    moving = encoded(photo, "WEBP", save_all=True, append_images=[other])
    kinds = {"GIF": "a GIF", "BMP": "a BMP", "TIFF": "a TIFF", "JPEG2000": "a JPEG 2000", "PPM": "a PPM"}
    bank = {kind: (encoded(photo, kind), said) for kind, said in kinds.items()}
    if PIL.features.check("avif"):
        bank["AVIF"] = (encoded(photo, "AVIF"), "an AVIF or HEIC")
    return bank | {
        "TGA": (encoded(photo, "TGA"), "not an image"),
        "animated WebP": (moving, "an animated WebP"),
        "nothing": (b"", "empty"),
        "text": (b"hello", "not an image"),
    }


def _packed(samples: np.ndarray, depth: int) -> bytes:
    if depth >= 8:
        return samples.astype(">u2" if depth == 16 else np.uint8).tobytes()
    return np.packbits(((samples[:, None] >> np.arange(depth)[::-1]) & 1).astype(np.uint8)).tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
