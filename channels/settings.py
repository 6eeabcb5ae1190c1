"""Settings of the installation that every channel may read besides its own, with the machine's network variables.

HTTP libraries read proxy and certificate variables when a client is created and fail on values they cannot use: a
SOCKS proxy would stop the whole process even if no request needed it. So Handrail reads them once, reports those it
cannot use and passes the others to its clients.
"""

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import certifi
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from agents.core.config_issues import ConfigIssue, to_configuration_error
from agents.core.errors import ConfigurationError
from channels.text import validate_web_url

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


MIN_SECRET_KEY_LENGTH = 32  # characters, in production

EMPTY_DISABLES = "an empty value disables"
"""Metadata of a setting that an empty variable disables; all other empty variables count as unset."""


def parse_with(parse: Callable[[str], Any]) -> BeforeValidator:
    """Return a validator that parses text and passes a value that is already parsed."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


class InstallationSettings(BaseModel):
    """Base of the settings of each channel: one field per variable, with its name in lower case."""

    # The first field, because the validators of others depend on it.
    environment: Literal["development", "production"] = Field(
        "development",
        description=(
            "development, or production, which requires SECRET_KEY and HANDRAIL_API_TOKENS instead of generated ones"
        ),
        examples=["production"],
    )
    host: str = Field("127.0.0.1", description="the address HTTP listens on", examples=["127.0.0.1"])
    port: int = Field(8000, ge=1, le=65535, description="the port HTTP listens on", examples=["8000"])
    public_url: Annotated[str, AfterValidator(validate_web_url)] = Field(
        default_factory=lambda validated: f"http://localhost:{validated['port']}",
        description="the public URL of this server, for links and signatures; empty: http://localhost:$PORT",
        examples=["https://handrail.example.com"],
    )
    secret_key: SecretStr | None = Field(
        None,
        validate_default=True,
        description=(
            "signs buttons, links to requests and reply addresses; empty: generated at the first start in "
            ".handrail/secret-key"
        ),
        examples=["at-least-32-random-characters, as from: openssl rand -hex 32"],
    )

    _variables: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def variables(self) -> Mapping[str, str]:
        """Return all variables, also those that are not settings of Handrail. Their values may be secrets."""
        return self._variables

    @property
    def network(self) -> NetworkSettings:
        """Return the proxies and certificates of the machine."""
        return NetworkSettings(self._variables)

    @property
    def signing_key(self) -> bytes:
        """Return the key that signs what people send back: buttons, links and reply addresses.

        Raises ConfigurationError without a secret key.
        """
        if self.secret_key is None:
            raise ConfigurationError("SECRET_KEY is missing: it signs buttons, links to requests and reply addresses")
        return self.secret_key.get_secret_value().encode()

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if info.data.get("environment") == "production":
            if key is None:
                raise ValueError("must be set in production")
            if len(key) < MIN_SECRET_KEY_LENGTH:
                raise ValueError(f"must have at least {MIN_SECRET_KEY_LENGTH} characters in production")
        return key
