"""Where a run stands: written together with the alerts that it led to.

After a crash the run goes on from the stored position; what it had judged beyond is judged again and
gives the same alert ids, which the store ignores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RunPosition:
    """Everything that ``--resume`` needs to go on at the next record.

    Attributes:
        run: Name of the run; one store can hold several (partitions). At most 64 characters.
        file: Index of the source file, from 0.
        offset: Where to go on in it: byte (after decompression) or row.
        log_position: The next log position, thus the number of records read so far.
        clock_us: The latest judged time, ``UNKNOWN`` before the first.
        snapshot: Name of the engine snapshot to restore before reading on.
        finished: The sources were read to their end.
        details: What else the shell wants back, as JSON values: names of sources, digests, options.
    """

    run: str
    file: int
    offset: int
    log_position: int
    clock_us: int
    snapshot: str | None = None
    finished: bool = False
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogInput:
    """An input other than a payment that can change verdicts, at its position of the log.

    ``kind`` is for example ``rulebook``, ``list``, ``rates``, ``entities``, ``snapshot``; ``content`` says
    where the bytes are kept, for example a path below the history.
    """

    position: int
    kind: str
    name: str
    version: str
    digest: str
    content: str | None = None
