"""Who may talk to the server, and what browsers may do with its answers.

A server on loopback is still within reach of every web page that the person opens.
Three checks keep such pages out: the Host header (DNS rebinding), Origin and
Sec-Fetch-Site (requests that another site sends), and frame-ancestors (clicks that
another site borrows). Nothing sets a cookie, and no answer allows another origin.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from flask import Flask, Response, request

from app.problems import Problem

_NOTEBOOKS = "http://localhost:* http://127.0.0.1:*"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
}


def guard(app: Flask, host: str, names: Sequence[str], allow_notebook: bool) -> None:
    """Check every request, and mark every answer.

    Args:
        app: the application.
        host: the address it is bound to.
        names: see `trusted`.
        allow_notebook: see `app.create_app`.
    """

    @app.before_request
    def check() -> None:
        refuse_strangers(request.method, request.headers.get, host, names)

    @app.after_request
    def mark(response: Response) -> Response:
        response.headers.update(_HEADERS)
        policy = f"{_POLICY} {_NOTEBOOKS}" if allow_notebook else _POLICY
        response.headers["Content-Security-Policy"] = policy
        if not allow_notebook:
            response.headers["X-Frame-Options"] = "SAMEORIGIN"
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        return response


def refuse_strangers(
    method: str, header: Callable[[str], str | None], host: str, names: Sequence[str]
) -> None:
    """Raise Problem 403 if a request's headers show that no page of this server sent it.

    Args:
        method: "GET" and so on.
        header: gives the value of a header, such as "Origin", or None.
        host, names: see `trusted`.
    """
    received = header("Host") or ""
    if not trusted(received, host, names):
        raise Problem(
            403,
            f"This server does not answer to the name {received[:80]!r}. Open it as the "
            "address that it printed when it started.",
        )
    origin = header("Origin")
    navigation = header("Sec-Fetch-Mode") == "navigate" and method in ("GET", "HEAD")
    elsewhere = header("Sec-Fetch-Site") in ("cross-site", "same-site") and not navigation
    if elsewhere or (origin is not None and origin.partition("://")[2] != received):
        raise Problem(403, "Pages of another site may not use this server.")


def trusted(received: str, bound: str, names: Sequence[str] = ()) -> bool:
    """Whether a Host header names this server.

    The port is left out of account, as a tunnel may have changed it and a page that
    rebinds a name of its own cannot change the name.

    Args:
        received: the header: name or address, with or without a port.
        bound: the address that the server is bound to. Bound to all addresses
            (0.0.0.0 or ::), it answers to every literal address, which cannot be
            rebound, and to this machine's own name.
        names: more names to answer to, such as that of a proxy before this server.

    >>> trusted("localhost:5000", "127.0.0.1"), trusted("evil.example:5000", "127.0.0.1")
    (True, False)
    """
    try:
        name = urlsplit(f"//{received}").hostname
    except ValueError:
        return False
    if not name or "@" in received or "/" in received:
        return False
    if name in {"localhost", "127.0.0.1", "::1", bound.strip("[]").lower(), *map(str.lower, names)}:
        return True
    if bound not in ("0.0.0.0", "::"):
        return False
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        own = socket.gethostname().lower()
        return name in {own, f"{own}.local", socket.getfqdn().lower()}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server on that address.

    >>> is_loopback("127.0.0.2"), is_loopback("0.0.0.0")
    (True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
