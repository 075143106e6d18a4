"""A kill and a closed terminal, taken as Ctrl-C is."""

import os
import signal


def interrupt_on_signals() -> None:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, so that what was read so far is kept."""
    terminals = [stream for stream in (1, 2) if os.isatty(stream)]

    def interrupt(number, _) -> None:
        if number != signal.SIGTERM:  # the terminal is gone, and every word to it an error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in terminals:
                os.dup2(nowhere, stream)
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):  # Windows has no second
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, interrupt)
