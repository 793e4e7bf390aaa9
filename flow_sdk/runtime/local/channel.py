"""The connection between the scheduler and its fork server: messages that keep their bounds, with descriptors."""

import array
import marshal  # both ends are of one Python; JSON would take more of Python's own code between two forks

# Not the module socket: importing that takes as long as a task, and each task would have a copy of what it makes.
from _socket import AF_UNIX, CMSG_LEN, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET, socket, socketpair
from collections.abc import Sequence
from typing import Any

__all__ = ["Channel"]

LARGEST_MESSAGE = 128 * 1024
"""Bytes of a message, at most."""

MOST_DESCRIPTORS = 3
"""Descriptors that come with a message, at most."""

_NUMBER = array.array("i").itemsize
_ANCILLARY = CMSG_LEN(MOST_DESCRIPTORS * _NUMBER)


class Channel:
    """One end of the connection. It isn't inherited by other programs.

    Parameters
    ----------
    fd : int
        Its descriptor, which the channel closes.
    """

    def __init__(self, fd: int) -> None:
        self._socket = socket(AF_UNIX, SOCK_SEQPACKET, 0, fd)

    @classmethod
    def make_pair(cls) -> tuple["Channel", "Channel"]:
        """Return both ends of a new connection."""
        one, other = socketpair(AF_UNIX, SOCK_SEQPACKET)
        return cls(one.detach()), cls(other.detach())

    def fileno(self) -> int:
        """Return the descriptor, to wait for messages."""
        return self._socket.fileno()

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Send a message, and copies of descriptors with it.

        Raises
        ------
        OSError
            If the other end is closed.
        """
        data = [marshal.dumps(message)]
        if fds:
            self._socket.sendmsg(data, [(SOL_SOCKET, SCM_RIGHTS, array.array("i", fds))])
        else:
            self._socket.sendmsg(data)

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """Wait for a message.

        Returns
        -------
        (dict, list of int) or None
            The message and the descriptors that came with it; None when the other end is closed.
        """
        try:
            data, ancillary, _, _ = self._socket.recvmsg(LARGEST_MESSAGE, _ANCILLARY)
        except ConnectionError:
            return None
        if not data:
            return None
        fds = array.array("i")
        for level, kind, numbers in ancillary:
            if level == SOL_SOCKET and kind == SCM_RIGHTS:
                fds.frombytes(numbers[: len(numbers) // _NUMBER * _NUMBER])
        return marshal.loads(data), fds.tolist()

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
