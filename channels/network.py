"""Proxy and certificate variables of the machine.

HTTP libraries read these variables when a client is created and fail on values they cannot use: a SOCKS proxy would
stop the whole process even if no request needed it. So Handrail reads them once, reports those it cannot use and
passes the others to its clients.
"""

import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import certifi

from agents.core.config_issues import ConfigIssue, to_configuration_error

_PROXY_SCHEMES = ("http", "https", "all")
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class NetworkSettings:
    """Proxies and TLS certificates for connections to other hosts."""

    variables: Mapping[str, str]

    def list_warnings(self) -> Iterator[ConfigIssue]:
        """Yield a warning for every variable that cannot be used, without its value."""
        for scheme in _PROXY_SCHEMES:
            name = self._proxy_variable(scheme)
            if name is not None and (problem := _proxy_problem(self.variables[name])):
                yield _create_warning(name, f"{problem}; {_proxy_advice(name)}. Connections through it fail")
        for name in _CERTIFICATE_VARIABLES:
            if problem := self._certificate_problem(name):
                yield _create_warning(
                    name, f"{problem}; correct or unset {name}. Handrail uses the certificates of certifi instead"
                )

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy for a URL; None for this machine, and for hosts in NO_PROXY.

        Raises ConfigurationError, which names the variable, if the proxy cannot be used.
        """
        parts = urlsplit(url)
        name = self._proxy_variable(parts.scheme) or self._proxy_variable("all")
        if name is None or self._should_bypass_proxy(parts.hostname or ""):
            return None
        if problem := _proxy_problem(self.variables[name]):
            raise to_configuration_error([ConfigIssue(key=name, message=f"{problem}; {_proxy_advice(name)}")])
        return _with_scheme(self.variables[name])

    def create_tls_context(self) -> ssl.SSLContext:
        """Return a context with the certificates from the machine's variables, else with those of certifi."""
        file, folder = (
            None if self._certificate_problem(name) else self.variables.get(name) for name in _CERTIFICATE_VARIABLES
        )
        if file or folder:
            return ssl.create_default_context(cafile=file, capath=folder)
        return ssl.create_default_context(cafile=certifi.where())

    def _proxy_variable(self, scheme: str) -> str | None:
        """Return the name of the variable that is set; lower case has precedence, as in other programs."""
        names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
        return next((name for name in names if self.variables.get(name, "").strip()), None)

    def _should_bypass_proxy(self, host: str) -> bool:
        """Return whether a host is this machine or in NO_PROXY. An entry of NO_PROXY is a host, a domain or `*`."""
        if host == "localhost" or _is_loopback(host):
            return True
        no_proxy_entries = self.variables.get("no_proxy") or self.variables.get("NO_PROXY") or ""
        domains = [entry.strip().rpartition(":")[0] or entry.strip() for entry in no_proxy_entries.split(",")]
        host_suffixes = [domain.lstrip("*.").lower() for domain in domains if domain]
        return "*" in domains or any(host == suffix or host.endswith(f".{suffix}") for suffix in host_suffixes)

    def _certificate_problem(self, name: str) -> str | None:
        path = self.variables.get(name)
        if not path:
            return None
        if name == "SSL_CERT_DIR":
            folders = path.split(os.pathsep)
            return None if any(Path(folder).is_dir() for folder in folders) else "names no existing folder"
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


def _proxy_advice(name: str) -> str:
    return f"set {name} to an http:// proxy, list the hosts in NO_PROXY, or unset {name}"


def _proxy_problem(value: str) -> str | None:
    try:
        url = urlsplit(_with_scheme(value))
        host, _ = url.hostname, url.port
    except ValueError:
        return "is not a URL"
    if url.scheme.startswith("socks"):
        return "names a SOCKS proxy, which Handrail cannot use"
    if url.scheme not in ("http", "https") or not host:
        return "is not a proxy that Handrail can use"
    return None


def _with_scheme(value: str) -> str:
    text = value.strip()
    return text if "://" in text else f"http://{text}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
