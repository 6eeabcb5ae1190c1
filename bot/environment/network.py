"""The machine's own variables for the network: proxies and certificates, and those of them that cannot be used.

Libraries read these variables themselves, and fail when they are made: a SOCKS proxy takes the whole process down,
also where nothing would have gone through it. Handrail reads them once, names what is wrong, and hands over the rest.
"""

import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import certifi

from agents.config_issues import ConfigIssue, to_configuration_error

_PROXY_SCHEMES = ("http", "https", "all")
_PROXY_ADVICE = "set an http:// proxy, list the hosts in NO_PROXY, or unset it"
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class NetworkSettings:
    """How other hosts are reached, by the variables of the machine."""

    variables: Mapping[str, str]

    def list_warnings(self) -> Iterator[ConfigIssue]:
        """Return a warning for every variable that cannot be used; it names the variable and never its value."""
        for scheme in _PROXY_SCHEMES:
            name = self._proxy_variable(scheme)
            if name is not None and (why := _proxy_problem(self.variables[name])):
                yield _create_warning(name, f"{why}; {_PROXY_ADVICE}. Nothing that needs it is reached")
        for name in _CERTIFICATE_VARIABLES:
            if why := self._certificate_problem(name):
                yield _create_warning(
                    name, f"{why}; correct it, or unset it. The certificates that come with Python are used"
                )

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy for a URL; None for this machine, and for hosts in NO_PROXY.

        Raises Misconfigured, naming the variable, when the proxy cannot be used.
        """
        parts = urlsplit(url)
        name = self._proxy_variable(parts.scheme) or self._proxy_variable("all")
        if name is None or self._is_direct(parts.hostname or ""):
            return None
        if why := _proxy_problem(self.variables[name]):
            raise to_configuration_error([ConfigIssue(key=name, message=f"{why}; {_PROXY_ADVICE}")])
        return _with_scheme(self.variables[name])

    def create_tls_context(self) -> ssl.SSLContext:
        """Return what verifies other hosts: the certificates the machine names, else those that are built in."""
        file, folder = (
            None if self._certificate_problem(name) else self.variables.get(name) for name in _CERTIFICATE_VARIABLES
        )
        if file or folder:
            return ssl.create_default_context(cafile=file, capath=folder)
        return ssl.create_default_context(cafile=certifi.where())

    def _proxy_variable(self, scheme: str) -> str | None:
        """Return the name under which it is set; the one in small letters comes first, as everywhere."""
        names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
        return next((name for name in names if self.variables.get(name, "").strip()), None)

    def _is_direct(self, host: str) -> bool:
        if host == "localhost" or _is_loopback(host):
            return True
        exceptions = self.variables.get("no_proxy") or self.variables.get("NO_PROXY") or ""
        domains = [entry.strip().rpartition(":")[0] or entry.strip() for entry in exceptions.split(",")]
        names = [domain.lstrip("*.").lower() for domain in domains if domain]
        return "*" in domains or any(host == name or host.endswith(f".{name}") for name in names)

    def _certificate_problem(self, name: str) -> str | None:
        path = self.variables.get(name)
        if not path:
            return None
        if name == "SSL_CERT_DIR":
            folders = path.split(os.pathsep)
            return None if any(Path(folder).is_dir() for folder in folders) else "names no folder there is"
        try:
            ssl.create_default_context(cafile=path)
        except FileNotFoundError:
            return "names a file that does not exist"
        except ssl.SSLError:
            return "names a file without certificates"
        except OSError as error:
            return f"names a file that cannot be read: {error.strerror}"
        return None


def _create_warning(name: str, message: str) -> ConfigIssue:
    return ConfigIssue(key=name, message=message, severity="warning")


def _proxy_problem(value: str) -> str | None:
    try:
        url = urlsplit(_with_scheme(value))
        host, _ = url.hostname, url.port
    except ValueError:
        return "is no URL"
    if url.scheme.startswith("socks"):
        return "names a SOCKS proxy, which Handrail cannot use"
    if url.scheme not in ("http", "https") or not host:
        return "names no proxy that Handrail can use"
    return None


def _with_scheme(value: str) -> str:
    text = value.strip()
    return text if "://" in text else f"http://{text}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
