"""Reading server-sent events."""

from collections.abc import AsyncIterator, Iterator

from httpx import Response

Frame = dict[str, str]
"""Field to value; a comment has the empty name."""


def parse_frames(chunk: bytes) -> Iterator[Frame]:
    """The frames of a chunk that holds whole ones."""
    for text in chunk.decode().split("\n\n"):
        if text:
            yield {name: value for name, _, value in (line.partition(": ") for line in text.split("\n"))}


async def read_frames(response: Response) -> AsyncIterator[Frame]:
    """The frames of an open answer, one by one, as they arrive in whatever pieces."""
    rest = b""
    async for piece in response.aiter_bytes():
        *whole, rest = (rest + piece).split(b"\n\n")
        for text in whole:
            for frame in parse_frames(text):
                yield frame
    assert rest == b"", "the stream ended in the middle of a frame"
