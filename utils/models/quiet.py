"""Libraries that talk while they start, held quiet."""

import os
import sys
import tempfile
from contextlib import contextmanager


@contextmanager
def quiet_start():
    """Hold back what libraries write to the process's error stream, unless they fail.

    TensorFlow prints several lines on import before any of its log settings count (its issue
    100442), LiteRT one without a setting; in a notebook they look like errors. Use it from one
    thread.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        original = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(original, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
