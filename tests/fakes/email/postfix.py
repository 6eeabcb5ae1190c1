"""Private Postfix in front of the bot, from Debian's package: mail in by SMTP, to the bot by LMTP, and out to a relay.

    with running_postfix(folder, domain="handrail.test", lmtp_port=2424, relay_port=2525) as port:
        ...

The instance has its own folders and ports and does not touch the configuration of the machine. Postfix must be started
by root, since its processes give up their rights by themselves.
"""

import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.crashes.process_pool import wait_until
from tests.harness.server_processes import free_port
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

DAEMONS = Path("/usr/lib/postfix/sbin")
OWNER, GROUP = "postfix", "postdrop"
_QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")
_SHARED_QUEUES = ("maildrop", "public")
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup  unix n - n - 0 cleanup
qmgr     unix n - n 300 1 qmgr
rewrite  unix - - n - - trivial-rewrite
bounce   unix - - n - 0 bounce
defer    unix - - n - 0 bounce
trace    unix - - n - 0 bounce
verify   unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp     unix - - n - - smtp
lmtp     unix - - n - - lmtp
error    unix - - n - - error
retry    unix - - n - - error
discard  unix - - n - - discard
anvil    unix - - n - 1 anvil
scache   unix - - n - 1 scache
postlog  unix-dgram n - n - 1 postlogd
"""


def why_unavailable() -> str | None:
    """Return why no Postfix can be run here, None if one can."""
    if not (DAEMONS / "master").exists():
        return "it is not installed"
    if os.geteuid() != 0:
        return "only root can start it"
    try:
        pwd.getpwnam(OWNER)
    except KeyError:
        return f"there is no user {OWNER}"
    return None


@contextmanager
def running_postfix(folder: Path, *, domain: str, lmtp_port: int, relay_port: int) -> Iterator[int]:
    """Run an instance for the block, and yield the port at which it receives mail.

    Mail to `domain` goes to the LMTP port, with its plus-addresses, and all other mail to the relay.
    """
    port = free_port()
    _write_configuration(folder, port, domain, lmtp_port, relay_port)
    _create_queues(folder)
    command = [str(DAEMONS / "master"), "-c", str(folder / "etc"), "-d"]
    with (folder / "master.log").open("wb") as log:
        process = subprocess.Popen(  # it ends its process group when it is terminated
            command, stdout=log, stderr=log, env={"PATH": os.defpath}, start_new_session=True
        )
    try:
        wait_until(lambda: _answers(port), lambda: _log_text(folder), WAIT_TIMEOUT_SECONDS)
        yield port
    finally:
        process.terminate()
        process.wait(WAIT_TIMEOUT_SECONDS)


def _write_configuration(folder: Path, port: int, domain: str, lmtp_port: int, relay_port: int) -> None:
    settings = {
        "compatibility_level": "3.6",
        "queue_directory": folder / "queue",
        "data_directory": folder / "data",
        "daemon_directory": DAEMONS,
        "mail_owner": OWNER,
        "setgid_group": GROUP,
        "maillog_file": folder / "mail.log",
        "maillog_file_prefixes": folder,
        "myhostname": f"mail.{domain}",
        "mydestination": "",
        "alias_maps": "",
        "local_recipient_maps": "",
        "inet_protocols": "ipv4",
        "mynetworks": "127.0.0.0/8",
        "recipient_delimiter": "+",
        "relay_domains": domain,
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        "transport_maps": f"inline:{{ {domain}=lmtp:inet:127.0.0.1:{lmtp_port} }}",
        "default_transport": f"smtp:[127.0.0.1]:{relay_port}",
        "fast_flush_domains": "",
        "smtp_dns_support_level": "disabled",
        "minimal_backoff_time": "1s",
        "maximal_backoff_time": "1s",
        "queue_run_delay": "1s",
        "transport_retry_time": "1s",
    }
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    (folder / "etc" / "master.cf").write_text(_MASTER.format(port=port))


def _create_queues(folder: Path) -> None:
    """Create the folders with the owners that Postfix requires. They must be reachable for its own user."""
    owner = pwd.getpwnam(OWNER).pw_uid
    for name in (*_QUEUES, *_SHARED_QUEUES):
        (folder / "queue" / name).mkdir(parents=True)
        os.chown(folder / "queue" / name, owner, -1)
    (folder / "queue" / "pid").mkdir()
    (folder / "data").mkdir()
    os.chown(folder / "data", owner, -1)
    for parent in (folder, *folder.parents):
        with suppress(PermissionError):
            parent.chmod(parent.stat().st_mode | 0o011)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        return connection.recv(100).startswith(b"220")
    return False


def _log_text(folder: Path) -> str:
    return "\n".join(path.read_text() for path in (folder / "master.log", folder / "mail.log") if path.exists())
