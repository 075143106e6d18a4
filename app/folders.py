"""The private folder of uploads, which must not outlive the process, however that ended."""

import os
import shutil
import stat
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is swept
    fcntl = None

_PREFIX = "expressions-web-"
_YOUNG = 30.0  # seconds in which a folder may not be locked yet


class PrivateFolder:
    """A folder of mode 0700 in the system's folder for temporary files.

    It is locked while its process lives. A process that was killed leaves its folder
    without a lock, and the next one removes it: at once, or when it is old enough.

    Attributes:
        path: the folder.
    """

    def __init__(self):
        parent = Path(tempfile.gettempdir())
        sweep(parent)
        self._again = threading.Timer(_YOUNG + 1, sweep, [parent])
        self._again.daemon = True
        self._again.start()
        # As a TemporaryDirectory it also goes where nobody calls `close`.
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
        self.path = Path(self._folder.name)
        self._lock = _locked(self.path)

    def close(self) -> None:
        """Remove it with all that is in it."""
        self._again.cancel()
        self._folder.cleanup()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def sweep(parent: Path) -> None:
    """Remove this user's folders there whose process has ended."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another process swept it, or it is another user's
            found = folder.lstat()
            own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
            if not own or time.time() - found.st_mtime < _YOUNG:
                continue
            lock = _locked(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock; None if another process has it."""
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
