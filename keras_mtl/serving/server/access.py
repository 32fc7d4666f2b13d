"""Who may ask: hosts, sites, keys, and how often."""

from __future__ import annotations

import ipaddress
import secrets
import urllib.parse

import asgi_correlation_id
import fastapi
import limits
import limits.storage
import limits.strategies
from fastapi import Request
from fastapi.security import APIKeyHeader
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from keras_mtl.errors import UserError
from keras_mtl.files import read_text
from keras_mtl.serving.server.answers import refused
from keras_mtl.serving.server.config import ServeConfig
from keras_mtl.serving.server.refusal import Refusal

KEY_HEADER = "X-API-Key"
_HERE = ("localhost", "127.0.0.1", "::1", "[::1]")
_LARGEST_FILE = 1 << 20
_key_header = APIKeyHeader(name=KEY_HEADER, auto_error=False)


def add_access(app: fastapi.FastAPI, config: ServeConfig) -> None:
    """Adds the middleware that refuses who may not ask.

    Raises:
        UserError: an origin or a rate is none.
    """
    # The last that is added is the first that is asked.
    app.add_middleware(SameSite, origins=config.cors_origins)
    if config.rate:
        app.add_middleware(Rate, rates=read_rates(config.rate))
    if config.cors_origins:
        for origin in config.cors_origins:
            if origin != "*" and not urllib.parse.urlsplit(origin).netloc:
                raise UserError(f"--cors_origins takes origins such as https://example.com. Received: {origin}")
        app.add_middleware(
            CORSMiddleware, allow_origins=config.cors_origins, allow_methods=["GET", "POST"], allow_headers=["*"]
        )
    hosts = list(config.allowed_hosts)
    if not hosts:
        hosts = [*_HERE, config.host] if is_loopback(config.host) else ["*"]
    if any("*" in host[1:] or (host.startswith("*") and host[1:2] not in ("", ".")) for host in hosts):
        raise UserError(f"--allowed_hosts takes names, *.example.com or *. Received: {','.join(hosts)}")
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    app.add_middleware(asgi_correlation_id.CorrelationIdMiddleware)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_keys(path: str) -> tuple[bytes, ...]:
    """The keys in a file, one a line; empty lines and # comments are passed over.

    Raises:
        UserError: it can't be read, or holds none.
    """
    lines = [line.strip() for line in read_text(path, "The file of keys", _LARGEST_FILE).splitlines()]
    keys = tuple(line.encode() for line in lines if line and not line.startswith("#"))
    if not keys:
        raise UserError(f"The file of keys {path} holds none: it takes one a line")
    return keys


async def check_key(request: Request, key: str | None = fastapi.Security(_key_header)) -> None:
    """A route's dependency. Raises Refusal (401) where keys are asked for and the request has none of them."""
    keys = request.app.state.shared.keys
    given = (key or "").encode()
    # All are compared, so that time tells nothing.
    if keys and not sum(secrets.compare_digest(given, known) for known in keys):
        raise Refusal(401, f"This server wants a key in the header {KEY_HEADER}")


class SameSite:
    """Middleware: refuses what pages of other sites have a visitor's browser send, but for `origins`.

    A browser sends a form or a photo across sites without asking first; what does so says where it comes from.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...] = ()):
        self.app, self.origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            headers = Headers(scope=scope)
            origin, host = headers.get("origin", ""), headers.get("host", "")
            is_other = bool(origin) and urllib.parse.urlsplit(origin).netloc != host
            is_other |= headers.get("sec-fetch-site", "") in ("cross-site", "same-site")
            if is_other and not {"*", origin} & set(self.origins):
                refusal = Refusal(403, f"Requests from {origin or 'other sites'} are refused (--cors_origins)")
                await refused(refusal)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class Rate:
    """Middleware: answers 429 to an address that asks more often than `rates` say."""

    def __init__(self, app: ASGIApp, rates: list[limits.RateLimitItem]):
        self.app, self.rates = app, rates
        self.limiter = limits.strategies.SlidingWindowCounterRateLimiter(limits.storage.MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            client = (scope.get("client") or ("",))[0]
            if not all(self.limiter.hit(rate, client) for rate in self.rates):
                await refused(Refusal(429, "You ask more often than this server answers: wait", 1))(
                    scope, receive, send
                )
                return
        await self.app(scope, receive, send)


def read_rates(text: str) -> list[limits.RateLimitItem]:
    """Limits such as `100/minute` or `5/second;100/hour`. Raises UserError."""
    try:
        return limits.parse_many(text)
    except ValueError:
        raise UserError(f"--rate takes a limit such as 100/minute. Received: {text}") from None
