"""Where addresses may lead: by host, by the IP address that is really connected to, by folder.

A list of addresses may come from anybody, and what runs here can reach more than its author can: this machine's own
services, the lab's, a cloud's metadata. None of these is asked unless config.yaml names it.
"""

import ipaddress
import os
import socket
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from pipeline.downloads.policy import Later

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that is given out as public; other IPv6 addresses are for something
_SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16", "2001::/23", "3fff::/20")
)
"""What is no host of the public network though Python, in one version or another, takes it for one: IANA's registries
of special addresses (IETF's protocols, relays, documentation), and where Azure's machines ask Azure.
"""


class Refused(Later):
    """What config.yaml does not allow, and may allow later. The message is the reason, `line` says what to change."""

    def __init__(self, reason: str, line: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass
class _Connection:
    """What is being connected to: a host, and whether it may be anywhere; notes an IP address that was refused."""

    host: str
    anywhere: bool
    refused: str = ""


_CONNECTION: ContextVar[_Connection] = ContextVar("connection")  # of the task that opens it: see `Access.client`


@dataclass(frozen=True)
class Access:
    """What addresses may lead to.

    Args:
        hosts: names, IP addresses, or `*.example.org` for all below a name; if there are any, no other host is asked.
            One that stands here itself, not by a pattern, may have any IP address; others only public ones.
        folders: that files may lie in.
    """

    hosts: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def check_host(self, host: str) -> None:
        """Raises `Refused` for a host, or a bucket, that is not allowed."""
        if self.hosts and not self._named(host) and not any(_below(host, name) for name in self.hosts):
            raise _refused(host, "is not among download.allow_hosts", "is not allowed")

    def check_file(self, path: str) -> Path:
        """Returns where a path leads once links are followed. Raises `Refused` outside the folders."""
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(os.path.realpath(os.path.expanduser(folder))) for folder in self.folders):
            raise Refused(
                "its file lies in no folder of download.allow_paths",
                f"{path}: refused, for it leads to {real}, in no folder of download.allow_paths: if it is to be read, "
                "set that key",
            )
        return real

    def check_address(self, address: str) -> None:
        """Raises `Refused` for a host that is not allowed or not in a public network.

        For whoever connects by itself.

        Its name is looked up here, and once more by whoever connects, so a name that leads elsewhere a moment later is
        not noticed. Of http and https `client` notices that as well.
        """
        parts = urlsplit(address)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host:
            raise Refused("leads to an address that is not http or https", f"{address}: refused: not http or https")
        self.check_host(host)
        if self._named(host):
            return
        try:
            found = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
        except OSError as error:
            raise Later("its host is not known") from error
        for ip in found:
            if not self._named(ip) and not ((known := _ip(ip)) and _is_public(known)):
                raise _not_public(host, ip)

    async def client(
        self, *, middlewares: Sequence[aiohttp.ClientMiddlewareType] = (), **options: Any
    ) -> aiohttp.ClientSession:
        """Opens a session whose requests and redirects raise `Refused` where they lead to what is not allowed."""
        connector = aiohttp.TCPConnector(socket_factory=self._socket)
        return aiohttp.ClientSession(connector=connector, middlewares=(self._guard, *middlewares), **options)

    async def _guard(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        host = request.url.host or ""
        self.check_host(host)
        named = self._named(host)
        if not named and (literal := _ip(host)) and not _is_public(literal):
            raise _not_public(host, host)
        # Where the user's own environment names a proxy, that is what is connected to.
        connection = _Connection(host, anywhere=named or request.proxy is not None)
        _CONNECTION.set(connection)
        try:
            return await handler(request)
        except aiohttp.ClientConnectorError as error:
            if connection.refused:
                raise _not_public(host, connection.refused) from error
            raise

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for an address that a name was resolved to: nothing later changes it."""
        family, kind, protocol, _, address = info
        connection = _CONNECTION.get()
        ip = _ip(address[0])
        if not connection.anywhere and not self._named(address[0]) and not (ip and _is_public(ip)):
            connection.refused = address[0]
            raise OSError(None, "refused")  # aiohttp tries the next one, if the name has several
        return socket.socket(family, kind, protocol)

    def _named(self, host: str) -> bool:
        return _plain(host) in map(_plain, self.hosts)


def _plain(host: str) -> str:
    """A host's name or IP address in the one form in which it is compared."""
    ip = _ip(host)
    return str(ip) if ip else host.lower().rstrip(".")


def _below(host: str, pattern: str) -> bool:
    return pattern.startswith("*.") and _plain(host).endswith(_plain(pattern[1:])) and _ip(host) is None


def _ip(text: str) -> IP | None:
    """An IP address; of an IPv4 address that is written as an IPv6 one, itself."""
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return ip.ipv4_mapped or ip.sixtofour or ip
    return ip


def _is_public(ip: IP) -> bool:
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _UNICAST:
        return False
    special = any(ip in network for network in _SPECIAL if network.version == ip.version)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not special


def _refused(host: str, why: str, reason: str) -> Refused:
    return Refused(
        f"its host {reason}: see download.allow_hosts",
        f"{host}: refused, for it {why}: if it is to be asked, set that key",
    )


def _not_public(host: str, ip: str) -> Refused:
    leads = "" if ip == host else f" at {ip}"
    return _refused(
        host,
        f"is{leads} in a network that is not public, and not named in download.allow_hosts",
        "is in a network that is not public",
    )
