"""How the API is reached: address, names, token, limits; refused when it would stand open to the network."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from services.configuration import general_settings
from workflow_scripts.common.errors import UsageError

#: Names by which this machine calls itself.
LOCAL_NAMES = ("localhost",)
#: The shortest token that is worth its name.
_SHORTEST = 16


@dataclass(frozen=True)
class WebSettings:
    """The settings of the API.

    Args:
        host: the address it listens on.
        port: the port.
        names: host names and addresses by which it may be called besides those of this machine.
        token: what every client must show; None asks for nothing.
        streams: how many event streams one client may hold.
        body: the largest request in bytes.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    names: frozenset[str] = frozenset()
    token: str | None = None
    streams: int = 12
    body: int = 1024 * 1024

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and not self.token:
            raise UsageError(
                f"The API would listen on {self.host} without a token.",
                hint="Set WORKFLOW_WEB_TOKEN, or let it listen on 127.0.0.1.",
            )
        if self.token is not None and (len(self.token) < _SHORTEST or not self.token.isascii()):
            raise UsageError(
                f"WORKFLOW_WEB_TOKEN must be at least {_SHORTEST} characters, all ASCII.",
                hint="python3 -c 'import secrets; print(secrets.token_urlsafe())' makes a good one.",
            )

    def answers_to(self, name: str) -> bool:
        """Whether a host name or address, without port, is one of this API's."""
        return is_loopback(name) or name.lower().rstrip(".") in self.names


def load_web_settings() -> WebSettings:
    """The effective settings.

    Raises:
        UsageError: a value is not allowed, or the API would stand open to the network.
    """
    values = general_settings()
    listed = {name.strip().lower().strip("[]") for name in (values.web_names or "").split(",")}
    reached = {values.web_host} - {"0.0.0.0", "::"}
    return WebSettings(
        host=values.web_host,
        port=values.web_port,
        names=frozenset((listed | reached) - {""}),
        token=values.web_token,
        streams=values.web_streams,
        body=values.web_body_kb * 1024,
    )


def is_loopback(name: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if name.lower().rstrip(".") in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
