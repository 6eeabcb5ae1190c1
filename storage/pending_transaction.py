"""What a caller on the loop waits for while a thread of the database does it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class PendingTransaction:
    """One function, and who waits for what it returns."""

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
        """Runs on the loop. `after` is told of every commit, also when whoever waited has gone away.

        Where that fails, it is for whoever waited to hear: those behind in the line have no part in it.
        """
        if self.error is None and self.on_commit is not None:
            try:
                self.on_commit(self.result)
            except Exception as error:  # noqa: BLE001 - somebody else's bug, whatever it is
                self.error = error
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)
