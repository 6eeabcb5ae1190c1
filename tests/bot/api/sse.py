"""Parser for server-sent events."""

from collections.abc import AsyncIterator, Iterator

from httpx2 import Response

Frame = dict[str, str]
"""Values by field; a comment has the empty field name."""


def parse_frames(chunk: bytes) -> Iterator[Frame]:
    """Yield the frames of a chunk that contains whole frames."""
    for text in chunk.decode().split("\n\n"):
        if text:
            yield {name: value for name, _, value in (line.partition(": ") for line in text.split("\n"))}


async def read_frames(response: Response) -> AsyncIterator[Frame]:
    """Yield the frames of an open response as they arrive, split into chunks in any way."""
    rest = b""
    async for chunk in response.aiter_bytes():
        *complete, rest = (rest + chunk).split(b"\n\n")
        for text in complete:
            for frame in parse_frames(text):
                yield frame
    assert rest == b"", "the stream ended in the middle of a frame"
