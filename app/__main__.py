"""``python -m app``: the model in the browser."""

import argparse
import signal
import sys
from contextlib import suppress
from pathlib import Path

from app import create_app
from app.limits import Limits
from app.server import Server
from utils.config import MODELS
from utils.contract import ModelFileError
from utils.predictor import load

_RELEASED = MODELS / "fer2013.keras"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; 2 if that cannot begin."""
    options = _parser().parse_args(arguments)
    try:
        predictor = load(options.model)
    except (ModelFileError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    released = Path(options.model).resolve() == _RELEASED
    limits = Limits()
    app = create_app(
        predictor,
        limits=limits,
        camera=options.camera,
        model_name=Path(options.model).name,
        card=_RELEASED.with_name("README.md").read_text("utf-8") if released else None,
        host=options.host,
        names=options.name,
        allow_notebook=options.allow_notebook,
    )
    try:
        server = Server(app, options.host, options.port, limits)
    except OSError as error:
        app.extensions["close"]()
        print(
            f"Cannot listen on {options.host}, port {options.port} ({error.strerror or error}). "
            "Another server may run there: name a free port with --port.",
            file=sys.stderr,
        )
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if options.host not in _LOOPBACK:
        print(
            f"Listening on {options.host}: whoever reaches this machine over the network can use "
            "the model and see the server's camera, without a password and unencrypted. Browsers "
            "give their own camera only to https and localhost."
        )
    print(f"Open {server.url} in a browser. Ctrl-C ends the server.", flush=True)
    with suppress(KeyboardInterrupt, SystemExit):
        server.run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="Serve a model: camera, pictures and videos in the browser, and a REST "
        "interface. Nothing that is sent is kept.",
    )
    parser.add_argument("--model", default=_RELEASED, help="a .keras file of this project")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        help="also answer to this host name, such as that of a proxy before the server",
    )
    parser.add_argument("--port", type=int, default=8000, help="port (%(default)s; 0: any)")
    parser.add_argument(
        "--camera", help="also show a camera of this machine: its number, or a stream's address"
    )
    parser.add_argument(
        "--allow-notebook",
        action="store_true",
        help="let a notebook on localhost show the pages in a frame",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
