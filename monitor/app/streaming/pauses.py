"""What keeps a worker from pausing while payments wait."""

import gc
import os
import sys
import threading

_NICENESS = 10


def beside_judging() -> None:
    """Have the thread that calls take only processor time that others leave; where threads have a priority."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


class Garbage:
    """Python looks through all objects now and then for those that hold each other and are held by nobody else.

    Rules and compiled kernels are so many that this takes 0.2 s each time, and they stay: once a worker has done all
    that it will do again and again, they are looked through no more.
    """

    def __init__(self) -> None:
        self._is_told = False

    def leave_what_is_here(self) -> None:
        """Look through what is here for the last time; only the first call does something."""
        if not self._is_told:
            self._is_told = True
            gc.collect()
            gc.freeze()
