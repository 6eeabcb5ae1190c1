"""A function that runs in an OS thread of the database while its caller waits on the event loop."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class PendingTransaction:
    """A function, and the future of its caller."""

    function: Callable[..., Any]
    on_commit: Callable[[Any], None] | None
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    @classmethod
    def create(cls, function: Callable[..., Any], on_commit: Callable[[Any], None] | None) -> "PendingTransaction":
        loop = asyncio.get_running_loop()
        return cls(function, on_commit, loop, loop.create_future())

    def resolve(self) -> None:
        """Resolve the future, on the loop. `on_commit` is called after every commit, even if the caller was cancelled.

        An error of `on_commit` goes to this caller, so that it does not affect other transactions of the group.
        """
        if self.error is None and self.on_commit is not None:
            try:
                self.on_commit(self.result)
            except Exception as error:  # noqa: BLE001 - an error of the callback belongs to its caller
                self.error = error
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)
