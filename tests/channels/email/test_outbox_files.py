"""Without a mail server each mail becomes one file, whose path is logged."""

import asyncio
import logging
import stat

import pytest

from agents.core.errors import Unavailable
from channels.email.outbox_files import FileTransport


async def write(transport: FileTransport, content: bytes, message_id: str = "<m1@bot.test>") -> None:
    await transport.send(content, sender="bot@bot.test", recipient="bob@corp.test", message_id=message_id)


async def test_retry_replaces_the_file(tmp_path):
    transport = FileTransport(tmp_path / "state" / "outbox")
    await write(transport, b"first")
    await write(transport, b"second")
    (file,) = transport.folder.iterdir()
    assert (file.name, file.read_bytes()) == ("m1@bot.test.eml", b"second")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_log_line_has_the_path_and_no_content(tmp_path, caplog):
    caplog.set_level(logging.INFO, "handrail.email")
    await write(FileTransport(tmp_path), b"secret content")
    (record,) = caplog.records
    assert record.message == "message_written"
    assert record.fields == {"channel": "email", "path": str(tmp_path / "m1@bot.test.eml")}


async def test_message_id_cannot_leave_the_folder(tmp_path):
    transport = FileTransport(tmp_path / "outbox")
    await write(transport, b"x", "<../../etc/passwd@x>")
    assert [path.parent for path in tmp_path.rglob("*.eml")] == [tmp_path / "outbox"]


async def test_concurrent_attempts_leave_one_complete_file(tmp_path):
    transport = FileTransport(tmp_path)
    await asyncio.gather(*(write(transport, letter * 100_000) for letter in (b"a", b"b", b"c")))
    (file,) = tmp_path.iterdir()
    assert len(set(file.read_bytes())) == 1
    assert file.stat().st_size == 100_000


async def test_folder_that_cannot_be_written_is_retried(tmp_path):
    (tmp_path / "outbox").write_text("a file, not a folder")
    with pytest.raises(Unavailable, match="outbox: the mail cannot be written"):
        await write(FileTransport(tmp_path / "outbox"), b"x")
