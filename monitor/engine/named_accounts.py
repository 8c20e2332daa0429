"""What the profile versions in force say of accounts: what kind one is, when it was opened, and who holds it.

A version names accounts, each with holders. Of a customer one version is in force, so several customers can name
the same account: its holders are all that they name, and its kind and its opening are those recorded last. Each account
keeps a list of what names it at present, in the order of recording. So a version takes effect at the cost of what it
and the one before it name, and the table after it depends on the versions in force alone.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int32s, Int64s
from monitor.engine.compiled import inlined, kernel
from monitor.engine.profiles import HOLDERS_MAX, ProfileTable

Links = npt.NDArray[np.int32]
_NONE = -1
_NAMED, _OPENED, _KINDED = 0, 1, 2
"""The lists of an account: of all that name it, of those that know its opening, and of those that know its kind."""
_FIRST, _LAST = 0, 1
_OLDER, _NEWER = 0, 1


@inlined
def _append(ends: Links, links: Links, which: int, account: int, entry: int) -> None:
    last = ends[which, _LAST, account]
    links[which, _OLDER, entry], links[which, _NEWER, entry] = last, _NONE
    if last == _NONE:
        ends[which, _FIRST, account] = entry
    else:
        links[which, _NEWER, last] = entry
    ends[which, _LAST, account] = entry


@inlined
def _unlink(ends: Links, links: Links, which: int, account: int, entry: int) -> None:
    older, newer = links[which, _OLDER, entry], links[which, _NEWER, entry]
    if older == _NONE:
        ends[which, _FIRST, account] = newer
    else:
        links[which, _NEWER, older] = newer
    if newer == _NONE:
        ends[which, _LAST, account] = older
    else:
        links[which, _OLDER, newer] = older


@kernel
def _replace(
    ended: Int64s,
    begun: Int64s,
    entry_start: Int64s,
    account_of: Int32s,
    opened_us: Int64s,
    kind: Int64s,
    holder_start: Int64s,
    ends: Links,
    links: Links,
    named: Int64s,
    is_changed: npt.NDArray[np.bool_],
    changed: Int32s,
) -> int:
    """Put versions in place of others; writes the numbers of the accounts concerned and returns how many."""
    n = 0
    for k in range(len(begun)):
        for sign in (-1, 1):
            version = begun[k] if sign > 0 else ended[k]
            if version == _NONE:
                continue
            for entry in range(entry_start[version], entry_start[version + 1]):
                account = account_of[entry]
                for which in range(3):
                    if which == _NAMED or (opened_us if which == _OPENED else kind)[entry] != UNKNOWN:
                        if sign > 0:
                            _append(ends, links, which, account, entry)
                        else:
                            _unlink(ends, links, which, account, entry)
                named[account] += sign * (holder_start[entry + 1] - holder_start[entry])
                if not is_changed[account]:
                    is_changed[account] = True
                    changed[n] = account
                    n += 1
    for k in range(n):
        is_changed[changed[k]] = False
    return n


@kernel
def _read(
    accounts: Int32s,
    opened_us: Int64s,
    kind: Int64s,
    holder_start: Int64s,
    holder: Int32s,
    ends: Links,
    links: Links,
    opened: Int64s,
    kinds: Int64s,
    counts: Int64s,
    holders: Int32s,
) -> int:
    """Openings, kinds and holders of accounts as named at present; returns the number of holders of joint ones."""
    total = 0
    for k in range(len(accounts)):
        last = ends[_OPENED, _LAST, accounts[k]]
        opened[k] = UNKNOWN if last == _NONE else opened_us[last]
        last = ends[_KINDED, _LAST, accounts[k]]
        kinds[k] = UNKNOWN if last == _NONE else kind[last]
        count = 0
        entry = ends[_NAMED, _FIRST, accounts[k]]
        while entry != _NONE and count < HOLDERS_MAX:
            for at in range(holder_start[entry], holder_start[entry + 1]):
                is_new = count < HOLDERS_MAX
                for former in range(total, total + count):
                    if holders[former] == holder[at]:
                        is_new = False
                if is_new:
                    holders[total + count] = holder[at]
                    count += 1
            entry = links[_NAMED, _NEWER, entry]
        counts[k] = count if count > 1 else 0
        total += counts[k]
    return total


@dataclass(frozen=True, slots=True)
class AccountsOfVersions:
    """The accounts that m versions name, in the order of the versions.

    Entries ``entry_start[v]`` to ``entry_start[v + 1]`` are those of version ``v``: the codes in ``account``,
    ``opened_us`` and ``kind``, UNKNOWN where not said. Those who hold entry ``e``, the customer among them, are the
    codes ``holder_start[e]`` to ``holder_start[e + 1]`` in ``holder``.
    """

    entry_start: Int64s
    account: Int32s
    opened_us: Int64s
    kind: Int64s
    holder_start: Int64s
    holder: Int32s


class NamedAccounts:
    """The accounts that the versions in force name."""

    def __init__(self, said: AccountsOfVersions) -> None:
        self.said = said
        self.codes, number = np.unique(said.account, return_inverse=True)
        self.number_of = number.astype(np.int32)
        self.ends = np.full((3, 2, len(self.codes)), _NONE, np.int32)
        self.links = np.full((3, 2, len(said.account)), _NONE, np.int32)
        self.named = np.zeros(len(self.codes), np.int64)
        self.is_changed = np.zeros(len(self.codes), np.bool_)

    def over_holders_max(self) -> int:
        """How many accounts have, over all versions, more holders than have legs."""
        entry = np.repeat(self.number_of, np.diff(self.said.holder_start)).astype(np.int64)
        pairs = np.unique((entry << 32) | self.said.holder)
        return int((np.bincount(pairs >> 32) > HOLDERS_MAX).sum()) if len(pairs) else 0

    def replace(self, ended: Int64s, begun: Int64s, table: ProfileTable) -> None:
        """Put versions in force, and kinds, openings and joint holders as they are then into the table.

        Args:
            ended: The version that each takes the place of, shape (n,); ``-1`` where there was none.
            begun: Versions, shape (n,), ascending, and later than all that are in force.
            table: Where kinds, openings and joint holders go.
        """
        said = self.said
        most = sum(int((said.entry_start[v + 1] - said.entry_start[v]).sum()) for v in (begun, ended[ended >= 0]))
        changed = np.empty(most, np.int32)
        count = _replace(
            ended, begun, said.entry_start, self.number_of, said.opened_us, said.kind, said.holder_start,
            self.ends, self.links, self.named, self.is_changed, changed,
        )  # fmt: skip
        changed = changed[:count]
        room = int(np.minimum(self.named[changed], HOLDERS_MAX).sum())
        opened, kinds, counts = (np.empty(count, np.int64) for _ in range(3))
        holders = np.empty(room, np.int32)
        total = _read(
            changed, said.opened_us, said.kind, said.holder_start, said.holder, self.ends, self.links, opened, kinds,
            counts, holders,
        )  # fmt: skip
        table.put_accounts(self.codes[changed], opened, kinds)
        table.joint.put(self.codes[changed], counts, holders[:total])
