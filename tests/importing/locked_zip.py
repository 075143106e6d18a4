"""A zip as handed out with a password, encrypted in the traditional way (ZipCrypto)."""

import struct
import zlib
from pathlib import Path

_TABLE = [zlib.crc32(bytes([n]), 0xFFFFFFFF) ^ 0xFFFFFFFF for n in range(256)]


def write_locked_zip(path: Path, files: dict[str, bytes], password: str, method: int = 0) -> Path:
    """Write files, stored and encrypted; ``method`` 99 only claims that it was AES."""
    content, entries = b"", b""
    for name, data in files.items():
        checksum = zlib.crc32(data)
        # The last of twelve bytes before the data says whether the password fits.
        locked = _encrypted(bytes(11) + bytes([checksum >> 24]) + data, password.encode())
        about = struct.pack(
            "<HHHHHIIIHH", 20, 1, method, 0, 33, checksum, len(locked), len(data), len(name), 0
        )
        entries += b"PK\1\2" + struct.pack("<H", 20) + about
        entries += struct.pack("<HHHII", 0, 0, 0, 0, len(content)) + name.encode()
        content += b"PK\3\4" + about + name.encode() + locked
    count = len(files)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(entries), len(content), 0)
    path.write_bytes(content + entries + b"PK\5\6" + end)
    return path


def _encrypted(data: bytes, password: bytes) -> bytes:
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte):
        keys[0] = _crc(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 255)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = _crc(keys[2], keys[1] >> 24)

    for byte in password:
        update(byte)
    locked = bytearray()
    for byte in data:
        word = (keys[2] | 2) & 0xFFFF
        locked.append(byte ^ (word * (word ^ 1) >> 8 & 255))
        update(byte)
    return bytes(locked)


def _crc(value: int, byte: int) -> int:
    return value >> 8 ^ _TABLE[(value ^ byte) & 255]
