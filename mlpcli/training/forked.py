"""Processes that share one network, each with some of its hidden units; all they exchange is B×K logits a step.

No gradient flows to x, so a unit's weights need nothing of the other units but the sum of all
parts of the logits, h W2. This process and its forked copies run the same code over the same rows
and the same random streams, and meet at that sum: Workers.add_up. A worker whose peer has gone,
told or killed, reads the end of its socket, and goes too.
"""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

from numpy.typing import DTypeLike

from mlpcli.arrays import Floats, shared_zeros
from mlpcli.errors import WorkerError

SPINS = 300  # looks at a socket before sleeping on it: some 300 µs, as long as a peer is late in a usual step
SAID = b"."
# They go to the whole process group, and the first process decides.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class GoneError(Exception):
    """The other end of a socket is closed: its process has ended."""


def even_cuts(H: int, count: int) -> list[slice]:
    """Slices that share out H units, about as many to each, at multiples of 16 where there are enough."""
    step = 16 if 64 * count <= H else 1
    ends = [round(H * rank / count / step) * step for rank in range(count)] + [H]
    return [slice(start, end) for start, end in pairwise(ends)]


def tell(peer: socket.socket) -> None:
    """Say that this process has come so far; GoneError where the peer is no more."""
    try:
        peer.send(SAID)
    except OSError as error:
        raise GoneError from error


def wait_for(peer: socket.socket) -> None:
    """Return when a peer has come so far; GoneError where it is no more."""
    try:
        heard = next(filter(None, (_looked(peer) for _ in range(SPINS))), None) or peer.recv(1)
    except OSError as error:
        raise GoneError from error
    if heard != SAID:
        raise GoneError


def _looked(peer: socket.socket) -> bytes | None:
    """What a peer has said, or nothing yet, or that it has ended."""
    try:
        return peer.recv(1, socket.MSG_DONTWAIT) or b"ended"
    except BlockingIOError:
        os.sched_yield()
        return None


class ForkedWorkers:
    """The processes of a run: `count` in all, `rank` which one this is; the first is the one that was started."""

    def __init__(self, count: int, logits: int, dtype: DTypeLike) -> None:
        self.count, self.rank = count, 0
        self.met = False  # whether all others are known to wait at the next sum
        self.parts: Floats = shared_zeros(count * logits, dtype).reshape(
            count, logits
        )  # the first row is the sum
        self.peers: list[socket.socket] = []
        self.children: list[int] = []

    def start(self, work: Callable[[int], object]) -> None:
        """Fork the others; each does work(rank), waits until it is not needed any more, and never returns."""
        for rank in range(1, self.count):
            here, there = socket.socketpair()
            self.peers.append(here)
            before = signal.pthread_sigmask(
                signal.SIG_BLOCK, IGNORED
            )  # until the child has its own way with them
            try:
                child = self._forked()
                if not child:
                    self._serve(rank, there, work, before)
                self.children.append(child)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                there.close()

    def _forked(self) -> int:
        try:
            return os.fork()
        except OSError as error:
            raise WorkerError(
                f"Of {self.count} processes no more than {len(self.children) + 1} can be started: {error.strerror}. "
                "Try again with --threads 1, which trains in one process."
            ) from error

    def _serve(
        self,
        rank: int,
        leader: socket.socket,
        work: Callable[[int], object],
        mask: set[int | signal.Signals],
    ) -> None:
        """The life of a forked process; what it writes is in shared memory alone."""
        status = 1
        try:
            for number in IGNORED:
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for other in self.peers:
                other.close()  # or a peer's end would never be seen
            self.rank, self.peers = rank, [leader]
            work(rank)
            self._meet()
        except GoneError:
            status = 0
        finally:
            os._exit(status)

    def allreduce(self, z: Floats) -> None:
        """Replace each process's part of the logits, z (n,K), by the sum over all; the same bits in each.

        Raises WorkerError where another process has ended.
        """
        logits = z.reshape(-1)
        total, *others = self.parts[:, : len(logits)]
        if self.rank:
            others[self.rank - 1][:] = logits
            self._meet()
            logits[:] = total
        else:
            self.barrier()  # before that, the last sum may still be being read
            for part in others:
                logits += part
            total[:] = logits
            self._let_go()

    def _meet(self) -> None:
        """Tell the first process that this one has come to a sum, and wait until that is done."""
        tell(self.peers[0])
        wait_for(self.peers[0])

    def _let_go(self) -> None:
        self.met = False
        for peer in self.peers:
            with _lost():
                tell(peer)

    def barrier(self) -> None:
        """Return when every other process waits at the next sum, so that what they share stands still.

        Raises WorkerError where one of them has ended.
        """
        for peer in self.peers if not self.met else []:
            with _lost():
                wait_for(peer)
        self.met = True

    def close(self) -> None:
        """Send the others home, and return when they have gone."""
        for peer in self.peers:
            peer.close()
        for child in self.children:
            os.waitpid(child, 0)
        self.peers, self.children = [], []


@contextmanager
def _lost() -> Iterator[None]:
    """What the first process says when another one has gone."""
    try:
        yield
    except GoneError as error:
        raise WorkerError(
            "A worker process ended before its time: was it killed, or the memory used up? "
            "Try again with --threads 1, which trains in one process."
        ) from error
