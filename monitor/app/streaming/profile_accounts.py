"""What the profile versions in force of a partition say of accounts: kinds, openings and joint holders.

:class:`monitor.engine.named_accounts.NamedAccounts` says the same where all versions are known from the start and take
effect in the order of their recording. Here versions come with the log, in any order. Of an account all that names it
is gathered anew when something about it changes, in the order of recording, so that the table depends on the versions
in force alone, not on the order in which they came. A change costs what it names.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int32s, Int64s
from monitor.engine.profiles import HOLDERS_MAX, ProfileTable

Arrays = dict[str, npt.NDArray[Any]]
_NONE = -1
_TIDY_FIRST = 1_024
_ENTRY = {"account": np.int32, "owner": np.int32, "opened_us": np.int64, "kind": np.int64, "holder_first": np.int64,
          "holder_count": np.int32, "newer": np.int32}  # fmt: skip
_OWNER = {"first": np.int64, "count": np.int64, "recorded_us": np.int64, "version": np.int64, "arrival": np.int64}


@dataclass(frozen=True, slots=True)
class Begun:
    """n versions that take effect. ``owner`` is the row of each customer in the table, each once.

    ``recorded_us``, ``version`` and ``arrival`` are the order of versions. ``accounts`` says how many entries each
    has; ``account``, ``opened_us`` and ``kind`` (UNKNOWN where not said) and ``holders`` have one value for each entry;
    ``holder`` has one for each holder, the customer first.
    """

    owner: Int64s
    recorded_us: Int64s
    version: Int64s
    arrival: Int64s
    accounts: Int64s
    account: Int32s
    opened_us: Int64s
    kind: Int64s
    holders: Int64s
    holder: Int32s


class AccountsInForce:
    """The accounts that the versions in force name.

    An entry is an account in a version. Those of a customer's version in force lie one behind the other; entries of the
    versions before are left behind until there are as many of them as of the others.
    """

    def __init__(self) -> None:
        self._entries: Arrays = {name: np.zeros(0, kind) for name, kind in _ENTRY.items()}
        self._owners: Arrays = {name: np.zeros(0, kind) for name, kind in _OWNER.items()}
        self._holder: Int32s = np.zeros(0, np.int32)
        self._head: Int32s = np.full(0, _NONE, np.int32)
        """By account code: its first entry, of which ``newer`` leads to the others."""
        self._used, self._live, self._holders_used = 0, 0, 0

    def newest(self, owner: Int64s) -> tuple[Int64s, Int64s]:
        """Time of recording and number of the versions in force, by rows of the table; UNKNOWN, 0 without one."""
        known = owner < len(self._owners["version"])
        inside = np.where(known, owner, 0)
        if not known.any():
            return np.full(len(owner), UNKNOWN), np.zeros(len(owner), np.int64)
        version = np.where(known, self._owners["version"][inside], 0)
        return np.where(version > 0, self._owners["recorded_us"][inside], UNKNOWN), version

    def replace(self, begun: Begun, table: ProfileTable) -> None:
        """Put versions in force, and kinds, openings and joint holders as they are then into the table."""
        if not len(begun.owner):
            return
        self._owners = _grown(self._owners, int(begun.owner.max()) + 1)
        left = _spans(self._owners["first"][begun.owner], self._owners["count"][begun.owner])
        new = self._add(begun)
        self._live += len(new) - len(left)
        concerned = np.unique(np.concatenate((self._entries["account"][left], begun.account))).astype(np.int32)
        self._head = _at_least(self._head, int(concerned.max(initial=-1)) + 1, _NONE)
        entries = self._in_order(np.concatenate((self._chained(concerned), new)))
        self._chain(concerned, entries)
        self._show(concerned, entries, table)
        if self._used > 2 * self._live + _TIDY_FIRST:
            self._tidy()

    def _add(self, begun: Begun) -> Int64s:
        """Take over the entries; their numbers."""
        count, first = len(begun.account), self._used
        self._used += count
        self._entries = _grown(self._entries, self._used)
        new = slice(first, self._used)
        ends = np.cumsum(begun.holders)
        values: Arrays = {"account": begun.account, "owner": np.repeat(begun.owner, begun.accounts),
                  "opened_us": begun.opened_us, "kind": begun.kind, "holder_count": begun.holders,
                  "holder_first": self._holders_used + ends - begun.holders}  # fmt: skip
        for name, each in values.items():
            self._entries[name][new] = each
        self._holders_used += len(begun.holder)
        self._holder = _at_least(self._holder, self._holders_used, 0)
        self._holder[self._holders_used - len(begun.holder) : self._holders_used] = begun.holder
        for name, each in (("first", first + np.cumsum(begun.accounts) - begun.accounts), ("count", begun.accounts),
                           ("recorded_us", begun.recorded_us), ("version", begun.version),
                           ("arrival", begun.arrival)):  # fmt: skip
            self._owners[name][begun.owner] = each
        return np.arange(first, self._used)

    def _chained(self, accounts: Int32s) -> Int64s:
        """All entries in the chains of some accounts."""
        found, at = [np.zeros(0, np.int64)], self._head[accounts].astype(np.int64)
        while len(at := at[at != _NONE]):
            found.append(at)
            at = self._entries["newer"][at].astype(np.int64)
        return np.concatenate(found)

    def _in_order(self, entries: Int64s) -> Int64s:
        """Those in force, by account and in the order of their recording."""
        owner = self._entries["owner"][entries]
        place = entries - self._owners["first"][owner]
        entries = entries[(place >= 0) & (place < self._owners["count"][owner])]
        owner = self._entries["owner"][entries]
        keys = [self._owners[name][owner] for name in ("arrival", "version", "recorded_us")]
        return entries[np.lexsort((entries, *keys, self._entries["account"][entries]))]

    def _chain(self, accounts: Int32s, entries: Int64s) -> None:
        """Make the chains of some accounts from all of their entries in order."""
        self._head[accounts] = _NONE
        account, newer = self._entries["account"][entries], self._entries["newer"]
        newer[entries] = _NONE
        is_same = account[1:] == account[:-1]
        newer[entries[:-1][is_same]] = entries[1:][is_same]
        begins = np.concatenate((np.ones(min(1, len(entries)), np.bool_), ~is_same))
        self._head[account[begins]] = entries[begins]

    def _show(self, accounts: Int32s, entries: Int64s, table: ProfileTable) -> None:
        """Put what some accounts are, by all of their entries in order, into the table."""
        group = np.searchsorted(accounts, self._entries["account"][entries])
        known = [_last_known(group, self._entries[name][entries], len(accounts)) for name in ("opened_us", "kind")]
        counts = self._entries["holder_count"][entries].astype(np.int64)
        holders = self._holder[_spans(self._entries["holder_first"][entries], counts)]
        group = np.repeat(group, counts)
        # Each holder of an account once, where named first.
        _, first = np.unique((group.astype(np.int64) << 32) | holders, return_index=True)
        first = np.sort(first)
        group, holders = group[first], holders[first]
        count = np.bincount(group, minlength=len(accounts)).astype(np.int64)
        number = np.arange(len(group)) - (np.cumsum(count) - count)[group]
        kept = (number < HOLDERS_MAX) & (count[group] > 1)
        table.put_accounts(accounts, *known)
        table.joint.put(accounts, np.where(count > 1, np.minimum(count, HOLDERS_MAX), 0), holders[kept])

    def _tidy(self) -> None:
        """Only the entries in force."""
        owners = np.flatnonzero(self._owners["count"])
        counts = self._owners["count"][owners]
        entries = _spans(self._owners["first"][owners], counts)
        held = self._entries["holder_count"][entries].astype(np.int64)
        self._holder = self._holder[_spans(self._entries["holder_first"][entries], held)]
        self._entries = {name: values[entries] for name, values in self._entries.items()}
        self._entries["holder_first"] = np.cumsum(held) - held
        self._owners["first"][owners] = np.cumsum(counts) - counts
        self._used = self._live = len(entries)
        self._holders_used = len(self._holder)
        accounts = np.unique(self._entries["account"])
        self._chain(accounts, self._in_order(np.arange(self._used)))

    def save(self) -> Arrays:
        """Everything as arrays."""
        return {
            **{f"entry.{name}": values[: self._used] for name, values in self._entries.items()},
            **{f"owner.{name}": values for name, values in self._owners.items()},
            "holder": self._holder[: self._holders_used],
            "head": self._head,
            "used": np.array([self._used, self._live, self._holders_used], np.int64),
        }

    def load(self, arrays: Arrays) -> None:
        """Take over what :meth:`save` gave."""
        self._entries = {name: np.array(arrays[f"entry.{name}"], kind) for name, kind in _ENTRY.items()}
        self._owners = {name: np.array(arrays[f"owner.{name}"], kind) for name, kind in _OWNER.items()}
        self._holder, self._head = np.array(arrays["holder"], np.int32), np.array(arrays["head"], np.int32)
        self._used, self._live, self._holders_used = (int(each) for each in arrays["used"])


def _last_known(group: Int64s, values: Int64s, groups: int) -> Int64s:
    """The last value of each group that is not UNKNOWN; UNKNOWN where there is none."""
    is_known = values != UNKNOWN
    found = np.full(groups, UNKNOWN, np.int64)
    # Of several values for one place the last one stays.
    found[group[is_known]] = values[is_known]
    return found


def _spans(first: Int64s, count: Int64s) -> Int64s:
    """The numbers of spans, one behind the other."""
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(first - (ends - count), count) + np.arange(total)


def _grown(columns: Arrays, length: int) -> Arrays:
    return {name: _at_least(values, length, 0) for name, values in columns.items()}


def _at_least(values: npt.NDArray[Any], length: int, fill: int) -> npt.NDArray[Any]:
    if length <= len(values):
        return values
    grown = np.full(max(length, 2 * len(values)), fill, values.dtype)
    grown[: len(values)] = values
    return grown
