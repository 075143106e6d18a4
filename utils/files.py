"""Writing files whole or not at all, and never over what should stay."""

import errno
import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile, gettempdir


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file in one step, making its folder if need be: a kill leaves the old or the new.

    Yields:
        The path to write to, beside the file and of the same suffix. When the block ends, it takes
        the file's name; where the block fails, it is removed.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        with telling_of_losses(path, "What was there before is kept"):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Make a folder in one step; one that is there must be empty.

    Yields:
        A new folder beside it, which takes its name when the block ends, and is removed where the
        block fails. What a killed run left of it is removed first.
    """
    temporary = path.with_name(f".{path.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with telling_of_losses(path, "Nothing is left of it", place=temporary):
            temporary.mkdir(parents=True)
            yield temporary
            if path.exists():
                path.rmdir()  # Windows cannot rename onto a folder
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def telling_of_losses(
    path: Path, kept: str, needed: int | None = None, place: Path | None = None
) -> Iterator[None]:
    """Say of a full disk, a folder without rights, and one deleted meanwhile, what to do about it.

    Args:
        path: what is written.
        kept: what is left where that fails, as a sentence without its end.
        needed: bytes to be written, if known; where they do not fit, nothing is begun.
        place: the folder that is written to, if not that of the path.
    """
    place = place or path.parent
    try:
        if needed is not None and needed > shutil.disk_usage(path.parent).free:
            raise OSError(errno.ENOSPC, "No space left on device")
        yield
    except Exception as error:  # HDF5 raises an error of its own
        number = getattr(error, "errno", None)
        if getattr(error, "told", False):  # by the writing of a file inside
            raise
        if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            there = next(folder for folder in path.absolute().parents if folder.is_dir())
            free = f"{shutil.disk_usage(there).free / 1e6:,.0f} MB are free there"
            wanted = "" if needed is None else f"{needed / 1e6:,.0f} MB are needed and "
            raise _told(
                number or errno.ENOSPC,
                f"The disk is full: {path} could not be written; {wanted}{free}. {kept}. Free some "
                "space, or choose a place on another disk",
            ) from error
        refused = Path(str(getattr(error, "filename", None) or os.devnull))
        ours = refused.is_relative_to(place) or place.is_relative_to(refused)
        if ours and number in (errno.EACCES, errno.EPERM, errno.EROFS):
            there = next(folder for folder in refused.absolute().parents if folder.is_dir())
            raise _told(
                number,
                f"{there} cannot be written to: {error.strerror}. Choose another place, or ask for "
                "the right to write there",
            ) from error
        if isinstance(error, FileNotFoundError) and not place.is_dir():
            raise _told(
                errno.ENOENT, f"{place} was deleted while it was written to. Run it again"
            ) from error
        raise


def _told(number: int, text: str) -> OSError:
    error = OSError(number, text)
    error.told = True
    return error


@contextmanager
def locked(path: str | Path, work: str) -> Iterator[None]:
    """Be the only process of this machine that works on a file or folder.

    What a killed process held is free again. The lock lies in the temporary folder, not beside the
    data.

    Args:
        path: the file or folder.
        work: what is done with it, such as "imported into".

    Raises:
        BlockingIOError: another process has it; the text says which, and since when.
    """
    from filelock import FileLock, Timeout

    path = Path(path).resolve()
    file = Path(gettempdir(), f"utils-{digest(str(path))}.lock")
    lock = FileLock(file, mode=0o666)
    try:
        lock.acquire(blocking=False)
    except (PermissionError, Timeout):  # the first, if it is another person's
        try:
            holder = file.read_text(encoding="utf-8") or "another process"
        except OSError:  # Windows lets nobody read it
            holder = "another process"
        raise BlockingIOError(
            f"{path} is being {work} by {holder}. Wait until that has ended, or choose another "
            "place."
        ) from None
    try:
        with suppress(OSError):  # a full disk is told by what is written next
            file.write_text(
                f"process {os.getpid()} on {platform.node()}, since {time.strftime('%H:%M:%S')}",
                encoding="utf-8",
            )
        yield
    finally:
        with suppress(OSError):
            file.unlink()  # while it is held: whoever waits for it sees that it is gone
        lock.release()


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in one step, making its folder if need be."""
    with replacing(path) as temporary:
        # A name's bytes that are no text become "\udcfc", which JSON reads as they were.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | Path, values: dict) -> None:
    """Write values as readable JSON, in one step; ValueError where a number is not finite."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def copy_file(source: str | Path, destination: str | Path) -> None:
    """Copy a file in one step."""
    with replacing(destination) as temporary:
        shutil.copyfile(source, temporary)


def check_writable(path: str | Path) -> None:
    """Make a file's folder, and see that files can be written there before long work begins.

    Raises:
        OSError: they cannot, or the path is no place for a file; the text says why.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is a folder or a device")
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OSError(
            f"{path} cannot be written: {error.strerror or error}. Name a file in a folder that "
            "you may write to."
        ) from error


def check_outputs(sources: Iterable[str | Path], outputs: Iterable[str | Path]) -> None:
    """Refuse to write over a file that is read, or twice to one file; links are seen through.

    Raises:
        ValueError: an output is one of the sources, or named twice.
    """
    written = {}
    for output in outputs:
        if (identity := _identity(output)) in written:
            raise ValueError(f"{output} is the name of two outputs. Give each its own.")
        written[identity] = output
    if not any(os.path.exists(output) for output in written.values()):
        return  # what is not there is no source, and there may be a million of these
    for source in sources:
        if (identity := _identity(source)) in written:
            raise ValueError(
                f"{written[identity]} is a source and would be overwritten. Give the output "
                "another name."
            )


def digest(*parts: bytes | str | Path, digits: int = 16) -> str:
    """Hex digits that follow from the parts' content (SHA-256).

    Args:
        parts: bytes, texts, and files by their `Path`s, which are read in blocks.
        digits: how many; 64 are the whole SHA-256.
    """
    state = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as file:
                hashlib.file_digest(file, lambda: state)
        else:
            state.update(part.encode(errors="surrogatepass") if isinstance(part, str) else part)
    return state.hexdigest()[:digits]


def columns_text(columns: Iterable) -> str:
    """A table's columns for an error, a dozen at most; and a hint where commas do not part them."""
    names = [str(name).replace("\0", "") for name in columns]
    text = ", ".join(names[:12]) or "no columns"
    odd = "\ufffd" in text or (len(names) == 1 and {";", "\t"} & {*text})
    more = f" and {len(names) - 12:,} more" if len(names) > 12 else ""
    return f"{text}{more}{' (save it as CSV with commas, in UTF-8)' if odd else ''}"


def free_path(path: str | Path) -> Path:
    """The path itself or, where that is taken, the first free one of NAME-2, NAME-3, …"""
    path, number = Path(path), 1
    free = path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _identity(path: str | Path):
    """Equal for two names of one file."""
    try:
        status = os.stat(path)
    except OSError:
        return Path(path).resolve()
    return status.st_dev, status.st_ino
