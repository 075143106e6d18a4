"""``python -m app``: the model in the browser."""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app import create_app
from app.limits import Limits
from app.safety import is_loopback
from app.server import Server
from utils import what_to_install
from utils.config import DEFAULT_MODEL, MODELS
from utils.models.metadata import ModelFileError
from utils.models.predictor import load
from utils.vision.detectors import DETECTORS


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C, SIGTERM or the terminal's end; 2 if that cannot begin."""
    options = _parser().parse_args(arguments)
    with _ended_by_signals(), suppress(KeyboardInterrupt, SystemExit):
        return _serve(options)
    return 0


def _serve(options: argparse.Namespace) -> int:
    try:
        predictor = load(options.model)
    except ModuleNotFoundError as error:  # a model without a LiteRT form needs Keras
        print(what_to_install(error), file=sys.stderr)
        return 2
    except (ModelFileError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    released = Path(options.model).resolve().parent == MODELS
    limits = Limits()
    try:
        app = create_app(
            predictor,
            limits=limits,
            camera=options.camera,
            model_name=Path(options.model).name,
            card=(MODELS / "README.md").read_text("utf-8") if released else None,
            host=options.host,
            names=options.name,
            allow_notebook=options.allow_notebook,
            detector=options.detector,
            record=options.record,
        )
    except (OSError, ValueError) as error:  # YuNet's file
        print(error, file=sys.stderr)
        return 2
    try:
        server = Server(app, options.host, options.port, limits)
    except OSError as error:
        app.extensions["close"]()
        reason = str(error.strerror or error).partition(" (while")[0]  # the address comes here
        print(
            f"Cannot listen on {options.host}, port {options.port} ({reason}). "
            + (
                "Another server may run there: name a free port with --port."
                if error.errno in (errno.EADDRINUSE, errno.EACCES)
                else "That is no address of this machine: name one with --host."
            ),
            file=sys.stderr,
        )
        return 2
    if not is_loopback(options.host):
        print(
            f"Listening on {options.host}: whoever reaches this machine over the network can use "
            "the model and see the server's camera, without a password and unencrypted. Browsers "
            "give their own camera only to https and localhost."
        )
    print(f"Open {server.url} in a browser. Ctrl-C ends the server.", flush=True)
    server.run()
    return 0


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block with SystemExit, once; what comes later is ignored."""
    names = [name for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)]
    # nohup and a shell's & have some ignored already, and mean it.
    before = {
        number: handler
        for number in (getattr(signal, name) for name in names)
        if (handler := signal.getsignal(number)) != signal.SIG_IGN
    }
    ended = False

    def end(*_) -> None:
        nonlocal ended
        if not ended:
            ended = True
            raise SystemExit(0)

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        # Not earlier: Python complains of a signal that is ignored just after it came.
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if ended else handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="Serve a model: camera, pictures and videos in the browser, and a REST "
        "interface. Nothing that is sent is kept, unless --record allows it.",
    )
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, help="a .keras file of this project (%(default)s)"
    )
    parser.add_argument(
        "--detector", choices=DETECTORS, default="haar", help="what finds faces (%(default)s)"
    )
    parser.add_argument(
        "--host", type=_host, default="127.0.0.1", help="address to listen on (%(default)s)"
    )
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        help="also answer to this host name, such as that of a proxy before the server; may be "
        "given more than once (default: none)",
    )
    parser.add_argument(
        "--port", type=_port, default=8000, help="port, 0 for any free one (%(default)s)"
    )
    parser.add_argument(
        "--camera",
        help="also show a camera of this machine: its number, or a stream's address (default: "
        "none)",
    )
    parser.add_argument(
        "--record",
        metavar="FOLDER",
        help="let the camera page keep faces there while its button is held, to personalise a "
        "model with (default: nothing is kept)",
    )
    parser.add_argument(
        "--allow-notebook",
        action="store_true",
        help="let a notebook on localhost show the pages in a frame (default: no)",
    )
    return parser


def _host(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("expected an address, such as 127.0.0.1")
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"expected a port, 0–65535. Received: {text}")
    return int(text)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # all is closed; but Python would wait for an image that is being decoded
