"""One writer thread behind a bounded queue: the caller hands work over and goes on.

Compressing and writing release the interpreter's lock, so they cost the calling thread almost nothing. Work is done
in the order in which it was handed over. The queue holds a stated number of pieces; when it is full, handing
over waits: a slow disk slows the run down and never fills the memory.

The first error stops all later work: what comes after a lost piece must not be written. It is raised by
:meth:`BackgroundWriter.drain`, which every commit calls, and by the next hand-over.
"""

from collections.abc import Callable
from queue import Queue
from threading import Thread

PIECES_MAX = 16
"""Pieces of work that wait at most; the next hand-over waits for room."""


class BackgroundWriter:
    """Does pieces of work one after another on its own thread.

    >>> done: list[int] = []
    >>> writer = BackgroundWriter()
    >>> for number in range(3):
    ...     writer.hand_over(lambda number=number: done.append(number))
    >>> writer.drain()
    >>> done
    [0, 1, 2]
    >>> writer.close()
    """

    def __init__(self, pieces_max: int = PIECES_MAX) -> None:
        self._queue: Queue[Callable[[], object] | None] = Queue(pieces_max)
        self._error: BaseException | None = None
        self._thread = Thread(target=self._work, name="background-writer", daemon=True)
        self._thread.start()

    def hand_over(self, work: Callable[[], object]) -> None:
        """Queue ``work``; waits while the queue is full.

        Raises:
            Exception: An earlier piece failed; it is that error.
        """
        self._raise_error()
        self._queue.put(work)

    def drain(self) -> None:
        """Wait until all work handed over is done.

        Raises:
            Exception: A piece failed; it is that error. Pieces behind it were left undone.
        """
        self._queue.join()
        self._raise_error()

    def close(self) -> None:
        """Finish the waiting work and end the thread; errors stay with :meth:`drain`."""
        self._queue.put(None)
        self._thread.join()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while True:
            work = self._queue.get()
            try:
                if work is None:
                    return
                if self._error is None:
                    work()
            except BaseException as error:
                self._error = error
            finally:
                self._queue.task_done()
