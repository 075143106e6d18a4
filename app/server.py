"""The application behind waitress: run here, or on a thread of its own."""

import logging
import socket
import threading
import time

from flask import Flask
from waitress import create_server

from app import create_app
from app.channels import Channel
from app.limits import Limits

_GRACE = 2.0  # seconds for which what is under way is waited for at the end


class Server:
    """A server that listens once made; `run` or `start` it. Leaving a ``with`` block stops it.

    Args:
        app: of `app.create_app`.
        host: the address to listen on.
        port: the port; 0 takes any free one.
        limits: those that the application was made with.

    Attributes:
        url: where to open it, with a slash at the end.

    Raises:
        OSError: the address is not this machine's, or the port is taken.
    """

    def __init__(self, app: Flask, host: str, port: int, limits: Limits):
        self._app = app
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
        # Whoever waits for a place holds a thread; some more answer the rest meanwhile.
        waiting = limits.working + limits.waiting + limits.viewers + limits.videos
        self._connections: dict = {}
        self._waitress = create_server(
            app,
            map=self._connections,
            sockets=[listening],
            threads=waiting + 8,
            connection_limit=3 * limits.connections,  # beyond what a `Channel` lets live
            max_request_body_size=limits.video_bytes + 1_000_000,  # beyond: waitress's own 413
            max_request_header_size=32_768,
            outbuf_high_watermark=1_000_000,  # a live picture must not queue behind old ones
            channel_timeout=60,
            ident=None,
        )
        self._waitress.channel_class = Channel.of(app, limits)
        # A warning for every request that waits a little says nothing to people.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{listening.getsockname()[1]}/"

    def run(self) -> None:
        """Serve until `stop`, Ctrl-C or SystemExit, then end in an orderly way."""
        try:
            while not self._ending.is_set():
                self._turn()
        finally:
            self._finish()

    def start(self) -> "Server":
        """Serve on a thread, and return at once."""
        self._thread = threading.Thread(target=self.run, name="server", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Take no more requests, end what runs, remove what was uploaded."""
        self._ending.set()
        if self._thread is not None:
            if self._thread.is_alive():
                self._waitress.pull_trigger()
            self._thread.join()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error) -> None:
        self.stop()

    def _turn(self) -> None:
        """Wait for news on any connection, attend to it, and let go of who stalls."""
        self._waitress.asyncore.loop(timeout=1, map=self._connections, count=1)
        now = time.time()
        for channel in list(self._waitress.active_channels.values()):
            if channel.overdue(now):
                channel.handle_close()  # its own maintenance waits until the client reads

    def _finish(self) -> None:
        latest = time.monotonic() + _GRACE
        self._waitress.accepting = False
        self._app.extensions["close"]()
        channels = self._waitress.active_channels
        while time.monotonic() < latest and any(
            channel.requests or channel.total_outbufs_len for channel in list(channels.values())
        ):
            self._turn()
        self._waitress.task_dispatcher.shutdown(timeout=1)
        for connection in list(self._connections.values()):
            connection.close()


def start(
    predictor,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    limits: Limits | None = None,
    **settings,
) -> Server:
    """Serve a model's pages from a thread of this process, such as a notebook's.

    Args:
        predictor: a `utils.models.predictor.Predictor`.
        host, port: where to listen; by default this machine alone, on any free port.
        limits: what may be asked of the server.
        **settings: of `app.create_app`, such as ``allow_notebook`` or ``camera``.

    A browser reaches a server on another machine through a tunnel (``ssh -L``), or through
    jupyter-server-proxy as ``…/proxy/PORT/``; then ``names`` must hold the host of that address.

    Example:
        >>> server = start(predictor, allow_notebook=True)  # doctest: +SKIP
        >>> IFrame(server.url, "100%", 620, extras=['allow="camera"'])  # doctest: +SKIP
        >>> server.stop()  # doctest: +SKIP
    """
    limits = limits or Limits()
    app = create_app(predictor, limits=limits, host=host, **settings)
    try:
        return Server(app, host, port, limits).start()
    except BaseException:
        app.extensions["close"]()
        raise
