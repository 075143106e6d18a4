"""The files of a folder, an archive or a single csv, listed alike and never unpacked."""

import io
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from utils.config import IMAGE_SUFFIXES, readable
from utils.datasets.found import walk
from utils.files import digest
from utils.vision.image_kinds import HEAD_BYTES, image_kind

MAX_IMAGE_BYTES = 64 << 20
MAX_BYTES = {".csv": 2 << 30, ".zip": 1 << 40}  # zips are looked into, never read whole

UNREADABLE = "not readable"  # begins that of a folder, which may have been a whole class
ENCRYPTED = "encrypted"  # begins the problem of a file that needs a password
_UTF8 = 0x800  # the flag of names that are
_AES = 99  # the compression by which WinZip and 7-Zip mark what they encrypt so

READ_ERRORS = (
    OSError, EOFError, RuntimeError, NotImplementedError,
    zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError,
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """A file of the source. Paths are text, use "/" and end in it for folders."""

    path: str
    size: int
    open: Callable[[], io.BufferedIOBase]
    problem: str = ""
    is_image: bool = False  # by its name or, where that says nothing, by its first bytes

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def folders(self) -> tuple[str, ...]:
        return PurePosixPath(self.path).parts[:-1]

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix.lower()


def fingerprint_source(source: Path) -> str:
    """Hex digest of a file's bytes, or of a folder's names, sizes and times."""
    if source.is_file():
        return digest(source, digits=64)
    lines = []
    for found in walk(source, empty_folders=True):
        path, size, changed = readable("/".join(found.parts)), 0, 0
        if not found.problem and not path.endswith("/"):
            about = os.stat(found.path)
            size, changed = about.st_size, about.st_mtime_ns
        lines.append(f"{path}\0{size}\0{changed}\n")
    return digest(*lines, digits=64)


@contextmanager
def open_archive(source: Path, password: str | None = None) -> Iterator[list[Member]]:
    """The files of a folder, an archive, or a csv standing alone; nothing is unpacked.

    Of a folder that holds zips and no images beside them, as when a set is published in several
    zips, the files in the zips are listed too.

    Args:
        source: the folder or file.
        password: of a zip that is encrypted in the traditional way (ZipCrypto).

    Raises:
        ValueError: a file of another kind, an archive damaged beyond listing, or one that the
            password does not open.
    """
    if source.is_dir():
        with ExitStack() as opened:
            yield _with_zips(_folder_members(source), opened, password)
    elif source.suffix.lower() == ".csv":
        yield [Member(source.name, source.stat().st_size, partial(source.open, "rb"))]
    else:
        try:
            is_tar, is_zip = tarfile.is_tarfile(source), zipfile.is_zipfile(source)
            if not is_tar and not is_zip:
                raise ValueError(
                    f"{source} is neither a folder nor a readable .zip, .tar(.gz, .bz2, .xz) or "
                    ".csv. Unpack other archives first; if it is one of these, the download is "
                    "incomplete or damaged."
                )
            archive = (tarfile.open if is_tar else zipfile.ZipFile)(source)
        except READ_ERRORS as error:
            raise ValueError(f"{source} cannot be opened: {error}. Download it again.") from error
        with archive:
            try:
                members = _tar_members(archive) if is_tar else _zip_members(archive, password)
            except READ_ERRORS as error:
                raise ValueError(f"{source} is damaged: {error}. Download it again.") from error
            yield members


def read_member(member: Member) -> bytes:
    """The bytes of an image file; ValueError: damaged, or larger than `MAX_IMAGE_BYTES`."""
    try:
        with member.open() as file:
            return file.read(MAX_IMAGE_BYTES)
    except READ_ERRORS as error:
        raise ValueError(f"unreadable file: {error}") from error


def _folder_members(folder: Path) -> list[Member]:
    members = []
    for found in walk(folder, empty_folders=True):
        path = "/".join(found.parts)
        if found.problem or path.endswith("/"):
            members.append(_member(path, 0, None, found.problem))
        else:
            size = os.stat(found.path).st_size
            members.append(_member(path, size, partial(open, found.path, "rb")))
    return members


def _with_zips(members: list[Member], opened: ExitStack, password: str | None) -> list[Member]:
    if any(member.is_image for member in members):
        return members
    listed = []
    for member in members:
        try:
            if member.suffix != ".zip" or member.problem:
                raise zipfile.BadZipFile
            archive = opened.enter_context(zipfile.ZipFile(opened.enter_context(member.open())))
            listed += [
                replace(one, path=f"{member.path}/{one.path}")
                for one in _zip_members(archive, password)
            ]
        except READ_ERRORS:
            listed.append(member)
    return listed


def _zip_members(archive: zipfile.ZipFile, password: str | None) -> list[Member]:
    members = []
    encrypted = (info for info in archive.infolist() if info.flag_bits & 1 and info.file_size)
    locked = [info for info in encrypted if info.compress_type != _AES]
    if password and locked:
        _unlock(archive, password, min(locked, key=lambda info: info.file_size))
    for info in archive.infolist():
        problem = ""
        if info.flag_bits & 1 and info.compress_type == _AES:
            problem = f"{ENCRYPTED} with AES"
        elif info.flag_bits & 1 and not password:
            problem = ENCRYPTED
        if stat.S_ISLNK(info.external_attr >> 16):
            problem = "link"
        path = info.filename
        if not info.flag_bits & _UTF8:
            with suppress(UnicodeError):  # macOS writes UTF-8 without saying so
                path = path.encode("cp437").decode()
        path = path.replace("\\", "/")
        members.append(_member(path, info.file_size, partial(archive.open, info), problem))
    return members


def _unlock(archive: zipfile.ZipFile, password: str, smallest: zipfile.ZipInfo) -> None:
    """Give an archive its password, and see that it opens the smallest file."""
    archive.setpassword(password.encode())
    try:
        archive.read(smallest)
    except READ_ERRORS as error:  # one of 256 wrong passwords passes the first check
        raise ValueError(
            f"The password does not open {archive.filename}: {error}. Ask for it where the archive "
            "is from; capitals count."
        ) from error


def _tar_members(archive: tarfile.TarFile) -> list[Member]:
    members = []
    for info in archive.getmembers():
        regular = info.isfile() or info.isdir()
        problem = "" if regular else "link" if info.issym() or info.islnk() else "not a file"
        path = info.name + "/" * info.isdir()
        members.append(_member(path, info.size, partial(archive.extractfile, info), problem))
    return members


def _member(path: str, size: int, opener, problem: str = "") -> Member:
    path = readable(path)
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or re.match(r"[A-Za-z]:", path):
        problem = "unsafe path"
    elif size > MAX_BYTES.get(pure.suffix.lower(), MAX_IMAGE_BYTES):
        problem = problem or f"too large: {size} bytes"
    elif not problem:
        path = f"{pure}/" if path.endswith("/") else str(pure)
    image = not problem and not path.endswith("/") and _is_image(pure, opener)
    return Member(path, size, opener, problem, image)


def _is_image(path: PurePosixPath, opener) -> bool:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        with opener() as file:
            return image_kind(file.read(HEAD_BYTES)) is not None
    except READ_ERRORS:  # told when it is read, if ever
        return False
