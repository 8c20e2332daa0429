"""Who calls the REST interface: the key of a request, what it may be used for, and how fast."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from monitor.adapters.sql.api_keys import Caller, caller_of, journal_refused
from monitor.casework.access import may
from monitor.casework.scopes import RIGHT_OF, TRANSACTIONS
from monitor.web.api.problems import NOT_ALLOWED, UNKNOWN_CALLER, Refused
from monitor.web.desk import Desk
from monitor.web.door import address_of
from monitor.web.pace import TooFast

_bearer = HTTPBearer(auto_error=False, scheme_name="key", description="A key made with 'aml keys add'.")
TOKEN_CHARACTERS_MAX = 200


def desk_of(request: Request) -> Desk:
    """What the interface works with."""
    desk: Desk = request.app.state.desk
    return desk


Here = Annotated[Desk, Depends(desk_of)]


def caller(
    request: Request, desk: Here, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    """Whose key the request bears. A key that is not in force is journalled, as often as an address may try.

    Raises:
        Refused: There is no key, or it is not in force.
        TooFast: The address has tried too many of them.
    """
    if given is None or len(given.credentials) > TOKEN_CHARACTERS_MAX:
        raise Refused(UNKNOWN_CALLER, "The request bears no key.")
    found = caller_of(desk.store, given.credentials, now_us=desk.wall_us())
    if found is None:
        if not desk.attempts.allows(address_of(request)):
            raise TooFast(60)
        journal_refused(desk.store, now_us=desk.wall_us())
        raise Refused(UNKNOWN_CALLER, "The key is not in force: it is unknown, revoked or expired.")
    return found


def with_scope(scope: str) -> Callable[..., Caller]:
    """A dependency that lets in keys with a scope, of service persons whose role has the right that it needs."""

    def of_scope(desk: Here, who: Annotated[Caller, Depends(caller)]) -> Caller:
        return let_in(desk, who, scope)

    return of_scope


def let_in(desk: Desk, who: Caller, scope: str) -> Caller:
    """Who calls, where key and role allow the scope and the key is not used too fast.

    Raises:
        Refused: Key or role do not allow it.
        TooFast: The key is used too fast.
    """
    if scope not in who.key.scopes:
        raise Refused(NOT_ALLOWED, f"The key has no scope '{scope}'.")
    if not may(who.person.role, RIGHT_OF[scope]):
        raise Refused(NOT_ALLOWED, f"The role {who.person.role} does not include the scope '{scope}'.")
    (desk.paces.payments_of_key if scope == TRANSACTIONS else desk.paces.key).check(who.key.key_id)
    return who
