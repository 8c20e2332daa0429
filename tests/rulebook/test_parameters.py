"""The most specific row in force applies; the rule's dataclass says which."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.units import COUNT
from monitor.rulebook.parameters import value_in_force
from monitor.rulebook.rule import Parameter, ParameterRow, Place

SCOPES = [(segment, country) for segment in (None, "agent", "retail") for country in (None, "US", "GB")]
ROWS = st.dictionaries(st.tuples(st.integers(0, 5), st.sampled_from(SCOPES)), st.integers(0, 99), max_size=12)


def parameter(rows):
    place = Place("a", 1)
    made = (ParameterRow(day, value, "law", *scope, place) for (day, scope), value in rows.items())
    return Parameter("limit", COUNT, "…", tuple(made))


@given(
    ROWS, st.integers(0, 6), st.sampled_from(["agent", "retail", "student", None]), st.sampled_from(["US", "NO", None])
)
def test_the_value_is_found_scope_by_scope_from_the_most_specific(rows, day, segment, country):
    given_row = value_in_force(parameter(rows), time_us=day, segment=segment, jurisdiction=country)
    expected = None
    for scope in ((segment, country), (segment, None), (None, country), (None, None)):
        days = [start for (start, of) in rows if of == scope and start <= day]
        if days:
            expected = rows[max(days), scope]
            break
    assert (given_row.value if given_row else None) == expected


def test_a_replay_of_march_uses_the_values_of_march():
    limit = parameter({(3, (None, None)): 10, (4, (None, None)): 20})
    values = [value_in_force(limit, time_us=t, segment=None, jurisdiction=None) for t in (2, 3, 4)]
    assert [row.value if row else None for row in values] == [None, 10, 20]
