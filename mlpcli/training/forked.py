"""Processes on this machine that train one network, each with some of its hidden units.

This process, rank 0, forks the others. All run the same code over the same rows and the same random
streams, and meet in `allreduce`, where the sum of h W2 goes through shared memory. Sockets between
rank 0 and each other process carry one byte for "I have arrived". A process that finds its socket
closed knows that the other one has ended, and ends too.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from numpy.typing import DTypeLike

from mlpcli.arrays import Floats, shared_zeros
from mlpcli.errors import WorkerError
from mlpcli.messages import system_reason

SPINS = 300  # looks at a socket before it blocks: some 300 µs, a usual difference between processes
ARRIVED = b"."
CLOSE_SECONDS = 1.0  # in which a process ends once its socket is closed; then it is killed,
KILL_SECONDS = 2.0  # and its end is waited for no longer than this
# A terminal sends these to every process of a group. Rank 0 decides; the others ignore them.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class GoneError(Exception):
    """The process at the other end of a socket has ended."""


def send_arrival(peer: socket.socket) -> None:
    """Tell a process that this one has arrived; raises GoneError if it has ended."""
    try:
        peer.send(ARRIVED)
    except OSError as error:
        raise GoneError from error


def await_arrival(peer: socket.socket) -> None:
    """Return when a process has arrived; raises GoneError if it has ended."""
    try:
        received = _received_soon(peer) or peer.recv(1)
    except OSError as error:
        raise GoneError from error
    if received != ARRIVED:
        raise GoneError


def _received_soon(peer: socket.socket) -> bytes | None:
    """What a process sends within a few hundred microseconds; to wake up would take longer."""
    for _ in range(SPINS):
        received = _received(peer)
        if received:
            return received
    return None


def _received(peer: socket.socket) -> bytes | None:
    """What a process has sent, None if nothing yet, b"ended" if it has closed its socket."""
    try:
        return peer.recv(1, socket.MSG_DONTWAIT) or b"ended"
    except BlockingIOError:
        os.sched_yield()
        return None


class ForkedWorkers:
    """A Communicator of `size` processes on this machine; rank 0 is the process that was started.

    `logits` is the largest number of logits, rows times classes, that one allreduce takes.
    """

    def __init__(self, size: int, logits: int, dtype: DTypeLike) -> None:
        self.size = size
        self.rank = 0
        self.all_arrived = False  # whether all others are known to wait in their next allreduce
        self.buffers: Floats = shared_zeros(size * logits, dtype).reshape(size, logits)
        self.peers: list[socket.socket] = []  # of rank 0: all others; of the others: rank 0
        self.children: list[int] = []

    def start(self, work: Callable[[int], object]) -> None:
        """Fork the others: each runs work(rank), waits for close(), and exits.

        Raises WorkerError if the system refuses a process.
        """
        for rank in range(1, self.size):
            self._start(rank, work)

    def _start(self, rank: int, work: Callable[[int], object]) -> None:
        with self._refusal():
            here, there = socket.socketpair()
        self.peers.append(here)
        # A signal between fork and the child's own settings would find rank 0's handlers there.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED)
        try:
            with self._refusal():
                child = os.fork()
            if not child:
                self._serve(rank, there, work, mask)
            self.children.append(child)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            there.close()

    @contextmanager
    def _refusal(self) -> Iterator[None]:
        """Turn what the system says when it refuses a process into a WorkerError."""
        try:
            yield
        except OSError as error:
            raise WorkerError(
                f"Only {len(self.children) + 1} of {self.size} processes can be started: "
                f"{system_reason(error)}. Try again with --threads 1, which trains in one process."
            ) from error

    def _serve(
        self,
        rank: int,
        leader: socket.socket,
        work: Callable[[int], object],
        mask: set[int | signal.Signals],
    ) -> None:
        """Run a forked process to its end; it writes to shared memory alone."""
        status = 1
        try:
            for number in IGNORED:
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for other in self.peers:
                other.close()  # an inherited copy would keep the socket open when rank 0 has ended
            self.rank, self.peers = rank, [leader]
            work(rank)
            self._wait_for_leader()
        except GoneError:
            status = 0
        finally:
            os._exit(status)

    def allreduce(self, z: Floats) -> None:
        """Replace z (n,K) by its sum over all processes, with the same bits in each.

        Raises WorkerError in rank 0, and GoneError in the others, if a process has ended.
        """
        logits = z.reshape(-1)
        if self.rank:
            self._send_summand(logits)
        else:
            self._add_summands(logits)

    def _send_summand(self, logits: Floats) -> None:
        self.buffers[self.rank, : len(logits)] = logits
        self._wait_for_leader()
        logits[:] = self.buffers[0, : len(logits)]

    def _add_summands(self, logits: Floats) -> None:
        """Add up in the order of ranks, so that equal numbers of processes give equal bits."""
        self.barrier()  # until then, another process may still read the last sum
        total, *summands = self.buffers[:, : len(logits)]
        for summand in summands:
            logits += summand
        total[:] = logits
        self._release()

    def _wait_for_leader(self) -> None:
        """Tell rank 0 that this process has arrived, and return when rank 0 lets it go on."""
        (leader,) = self.peers
        send_arrival(leader)
        await_arrival(leader)

    def _release(self) -> None:
        """Let all others go on from where they wait."""
        self.all_arrived = False
        for peer in self.peers:
            with _worker_error():
                send_arrival(peer)

    def barrier(self) -> None:
        """Return when all others wait in their next allreduce: shared buffers are safe to read.

        For rank 0. Raises WorkerError if one of the others has ended.
        """
        if self.all_arrived:
            return
        for peer in self.peers:
            with _worker_error():
                await_arrival(peer)
        self.all_arrived = True

    def close(self) -> None:
        """Close the sockets, which ends the other processes; kill those that are not so ended.

        A process that was stopped, or that works on a long product, does not see that its socket
        is closed. It has nothing to write, so killing it does no harm.
        """
        for peer in self.peers:
            peer.close()
        self.peers = []
        try:
            self._await_children(CLOSE_SECONDS)
        finally:  # also if a signal ends the wait
            for child in self.children:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            self._await_children(KILL_SECONDS)

    def _await_children(self, seconds: float) -> None:
        """Return when all children have ended, or after so long; keeps those that have not."""
        end = time.monotonic() + seconds
        while True:
            self.children = [child for child in self.children if not _has_ended(child)]
            if not self.children or time.monotonic() > end:
                return
            time.sleep(0.001)


def _has_ended(child: int) -> bool:
    """Whether a child has ended; the system then forgets it."""
    try:
        return os.waitpid(child, os.WNOHANG) != (0, 0)
    except ChildProcessError:  # forgotten before, since this process was started to ignore SIGCHLD
        return True


@contextmanager
def _worker_error() -> Iterator[None]:
    """Turn GoneError into the WorkerError of rank 0."""
    try:
        yield
    except GoneError as error:
        raise WorkerError(
            "A worker process ended before its time: was it killed, or was the memory used up? "
            "Try again with --threads 1, which trains in one process."
        ) from error
