"""One alert and its explanation: every number computed again from the recorded history."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from monitor.adapters.sql.api_keys import API_CHAIN
from monitor.adapters.sql.desk import find_case_id
from monitor.adapters.sql.people import journal_look
from monitor.app.explained_json import explained_json
from monitor.app.explaining import AlertUnknown, CannotExplain
from monitor.web.api.bodies import ID_MAX, Explanation
from monitor.web.api.cases import Reader
from monitor.web.api.key import Here
from monitor.web.api.problems import Kind, Refused
from monitor.web.desk import sees

router = APIRouter(tags=["alerts"])
_NOT_POSSIBLE = Kind(
    409, "not-explained", "The alert cannot be computed again here", "That takes the history beside the store.",
    "Serve the store together with its data folder, or see docs/streaming.md for that of the workers.",
)  # fmt: skip
AlertId = Annotated[str, Path(max_length=ID_MAX, pattern="^A-", description="The whole id of an alert of a case.")]


@router.get("/alerts/{alert_id}/explanation", response_model=Explanation)
def explanation(desk: Here, who: Reader, alert_id: AlertId) -> Any:
    """Why an alert was raised, each number twice: as stored, and as it comes out again. The look is journalled."""
    with desk.store.reading() as connection:
        case_id = find_case_id(connection, alert_id, sees(who.person))
    journal_look(desk.store, who.person, what="alert_explained", now_us=desk.wall_us(), chain=API_CHAIN,
                 key=who.key.key_id, case=case_id, alert=alert_id)  # fmt: skip
    if desk.explain is None:
        raise Refused(_NOT_POSSIBLE, "There is no history beside this store.")
    try:
        return explained_json(desk.explain(alert_id))
    except (AlertUnknown, CannotExplain) as error:
        raise Refused(_NOT_POSSIBLE, str(error)) from None
