"""TLS certificates for servers on loopback, issued by an authority that exists for one test module."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class ServerCertificate:
    """PEM files: the certificate of a server named `localhost` and 127.0.0.1, its key, and the authority."""

    certificate_file: Path
    key_file: Path
    ca_file: Path

    @classmethod
    def create(cls, folder: Path, *names: str) -> "ServerCertificate":
        """Write the files of a new authority and of a certificate for these names."""
        authority = trustme.CA()
        issued = authority.issue_cert(*(names or ("localhost", "127.0.0.1")))
        files = cls(folder / "certificate.pem", folder / "key.pem", folder / "authority.pem")
        files.certificate_file.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        files.key_file.write_bytes(issued.private_key_pem.bytes())
        files.ca_file.write_bytes(authority.cert_pem.bytes())
        return files
