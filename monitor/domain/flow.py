"""What rules may ask of the flow of money, and the limits that belong to its meaning.

A payment's money is followed from account to account for :data:`HORIZON_US`. Some names are known to the one who
receives the payment, some to the one who pays, some to both; seen from another leg they are unknown.
"""

from typing import NamedTuple

from monitor.domain.time import DAY_US

MONTH_US = 30 * DAY_US
MILLION = 1_000_000
"""Shares are millionths, rounded down."""
HOPS_MAX = 8
"""A trail that has gone through so many payments goes no further."""
INFLOWS_MAX = 10
TRAILS_MAX = HOPS_MAX - 1
"""One chain of payments, whose every payer is an origin, fits."""

RECEIVED = ("flow.returned_share", "flow.return_kept", "flow.return_hops", "flow.return_time", "flow.middlemen")
MOVED = ("flow.chain_depth", "flow.chain_time", "flow.chain_kept")
PAID = ("flow.pass_through", "flow.dwell_time", "flow.residual", "flow.gathered")
FLOW_NAMES = (*RECEIVED, *MOVED, *PAID)
"""In the order of the columns of ``engine/trails.py``."""
FINDINGS = ("return", "middlemen", "chain")
"""Findings that have a path, in the order in which ``engine/trails.py`` marks them."""


def finding_of(name: str) -> int:
    """Which finding a name is about; -1 for those that have no path.

    >>> finding_of("flow.returned_share"), finding_of("flow.chain_time"), finding_of("flow.residual")
    (0, 2, -1)
    """
    word = name.removeprefix("flow.")
    return next((number for number, finding in enumerate(FINDINGS) if word.startswith(finding)), -1)


class Limits(NamedTuple):
    """How much is kept of an account, and for how long."""

    inflows: int
    trails: int
    least: int
    """A trail with less than one part in ``least`` of the payment is let go."""
    horizon_us: int
    hub_bits: int
    """So many of 64 bits, one for each other side by its hash, make a hub."""


LIMITS = Limits(inflows=INFLOWS_MAX, trails=TRAILS_MAX, least=20, horizon_us=MONTH_US, hub_bits=35)
"""35 of 64 bits are about 50 different others within a month."""
