"""Small distributions with channels, written to a folder that a test puts on the module search path."""

from pathlib import Path

PAGER_SOURCE = '''
"""Pager channel: takes messages over HTTP and prints what it sends."""

import json
import re

from agents.core.errors import Forbidden, InvalidInput
from agents.core.messages import Receipt
from agents.core.values import Address
from channels.address_format import AddressFormat, AddressKey
from channels.base import Capabilities, Endpoint, HttpResponse, Plugin
from channels.abilities import Finding
from channels.inbound import Arrival, InboundMessage, Sender

ADDRESS_FORMAT = AddressFormat(
    scheme="pager",
    address_key=AddressKey(name="pager", pattern=re.compile("[a-z0-9]+"), example="ward7"),
    pattern=re.compile("[a-z0-9]+"),
    example="pager:ward7",
)


class PagerChannel:
    scheme = "pager"
    capabilities = Capabilities()

    async def send(self, to, message, *, key, replaces=None, may_have_been_sent=False):
        print(f"{to}: {message.text}", flush=True)
        return Receipt(ref=key, digest=key)


async def take_message(request, runtime):
    if request.headers.get("x-pager") != "secret":
        raise Forbidden("the pager is unknown")
    try:
        page = json.loads(request.body)
    except ValueError:
        raise InvalidInput("the body is not JSON") from None
    source = Address(f"pager:{page['from']}")
    arrival = Arrival("pager", (f"page:{page['id']}",), Sender((source,)), source, runtime.now())
    posted = await runtime.receiver.post_message(InboundMessage(arrival, page["text"]))
    runtime.log("inbound_accepted", channel="pager")
    return HttpResponse(body=json.dumps({"outcome": posted.outcome}).encode())


def build(settings):
    doctor_checks = lambda: [Finding(name="pager", state="ok", message=f"answers at {settings.public_url}")]
    endpoints = (Endpoint("/channels/pager/messages", take_message),)
    return Plugin(PagerChannel(), endpoints=endpoints, doctor_checks=doctor_checks)
'''

LISTENING_PAGER_SOURCE = f"""{PAGER_SOURCE}

import asyncio

from channels.stored_input import InputResult, RawInput


class LineListener:
    async def start(self, runtime):
        self.server = await asyncio.start_server(lambda *streams: self.store_lines(runtime, *streams), "127.0.0.1", 0)
        print(f"pager listens on {{self.server.sockets[0].getsockname()[1]}};", flush=True)

    async def stop(self):
        self.server.close()

    async def store_lines(self, runtime, reader, writer):
        line = await reader.readline()
        is_new = await runtime.receiver.store_input(
            RawInput("pager", line.hex(), "ward7", runtime.now(), {{}}, line)
        )
        writer.write(b"new" if is_new else b"known")
        writer.close()


async def process_line(stored, runtime):
    source = Address("pager:ward7")
    arrival = Arrival("pager", (stored.raw.key,), Sender((source,)), source, runtime.now())
    await runtime.receiver.post_message(InboundMessage(arrival, stored.raw.content.decode().strip()))
    return InputResult("processed")


def build(settings):
    return Plugin(PagerChannel(), listeners=(LineListener(),), process_input=process_line)
"""
"""Source of a pager channel that also listens on a port of its own: it stores each line and answers new or known."""


def install_channel(folder: Path, name: str, source: str, *, entry_point: str | None = None) -> None:
    """Write a distribution with one package, `handrail_NAME`, and an entry point named `NAME` for it."""
    package, metadata = folder / f"handrail_{name}", folder / f"handrail_{name}-1.0.dist-info"
    package.mkdir(parents=True)
    metadata.mkdir()
    (package / "__init__.py").write_text(source, encoding="utf-8")
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: handrail-{name}\nVersion: 1.0\n")
    value = entry_point or f"handrail_{name}"
    (metadata / "entry_points.txt").write_text(f"[handrail.channels]\n{name} = {value}\n")
