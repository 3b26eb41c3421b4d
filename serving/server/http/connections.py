"""The open connections of the REST port: a bounded number, of which the oldest idle one goes."""

from __future__ import annotations

import logging
from typing import Protocol

from serving.server.core.seldom_log import SeldomLog

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """A connection, as far as it is counted."""

    @property
    def idle(self) -> bool:
        """Whether no request is being answered or sent on it."""
        ...

    def drop(self) -> None:
        """Closes it at once."""
        ...


class Connections:
    """Counts connections, oldest first.

    Args:
        most: How many may be open. One more closes the oldest idle one, or itself where none is
            idle: clients that say nothing never keep others out.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._told = SeldomLog(_log)
        self._open: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Counts a new one."""
        self._open[connection] = None
        if len(self._open) <= self._most:
            return
        self._told.warning(
            "full", f"{self._most:,} connections are open, the most: idle ones are closed"
        )
        victim = next((each for each in self._open if each.idle and each is not connection), None)
        victim = victim or connection
        self.remove(victim)
        victim.drop()

    def remove(self, connection: Connection) -> None:
        """Forgets one that is closed."""
        self._open.pop(connection, None)
