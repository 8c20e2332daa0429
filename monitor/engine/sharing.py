"""Conditions that are asked of the same groups of legs, so that who is asked is gathered once for all of them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.domain.transaction import Int32s

Bools = npt.NDArray[np.bool_]


class Sharing(NamedTuple):
    """Conditions by whom they are asked of.

    ``conditions[starts[s]:starts[s + 1]]`` are asked of the groups ``is_member[s]``; ``is_plain`` says of each group
    whether it is of plain payments (:mod:`monitor.rulebook.dispatch`).
    """

    conditions: Int32s
    starts: Int32s
    is_member: Bools
    is_plain: Bools


def shared(is_asked: Bools, is_plain: Bools) -> Sharing:
    """Bring conditions together; ``is_asked`` has shape (conditions, groups). One that nobody is asked is left out.

    >>> shared(np.array([[True, False], [True, True], [True, False]]), np.array([True, False])).conditions
    array([0, 2, 1], dtype=int32)
    """
    members, share = np.unique(is_asked, axis=0, return_inverse=True) if len(is_asked) else (is_asked, np.zeros(0, int))
    of_share = [np.flatnonzero(share.reshape(-1) == each) for each in range(len(members)) if members[each].any()]
    return Sharing(
        np.concatenate([*of_share, np.zeros(0, np.int64)]).astype(np.int32),
        np.cumsum([0, *map(len, of_share)]).astype(np.int32),
        np.ascontiguousarray(members[members.any(axis=1)]),
        is_plain,
    )
