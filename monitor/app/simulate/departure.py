"""Cases in which an account departs from what it was: dormant, new, or changed."""

from monitor.app.simulate.cast import Cast
from monitor.app.simulate.draws import Int64s
from monitor.app.simulate.movement import _party


def dormant_reactivation(cast: Cast, people: Int64s) -> None:
    """An account that slept for as long as the stream allows moves large sums in and out within a week."""
    days = cast.population.days
    start = cast.start(8, first=max(min(196, days - 24), days // 2))
    total = 0
    for _ in range(cast.between(3, 6)):
        cents = cast.dollars(2_500, 20_000)
        total += cents
        cast.pay(cast.working(start + cast.between(0, 1)), _party(cast, people, 50), cast.subject, cents)
    for part in cast.split(cast.after_fee(total, 85, 98), cast.between(3, 6)):
        cast.pay(cast.working(start + cast.between(5, 6)), cast.subject, _party(cast, people, 40), part)


def new_account_burst(cast: Cast, people: Int64s) -> None:
    """A new account turns over large sums within 20 days of its opening."""
    opened = int(cast.population.opened_day[cast.subject])
    total = 0
    for _ in range(cast.between(5, 9)):
        cents = cast.dollars(1_500, 15_000)
        total += cents
        cast.pay(cast.working(opened + 1 + cast.between(0, 8)), _party(cast, people, 50), cast.subject, cents)
    for part in cast.split(cast.after_fee(total), cast.between(4, 8)):
        cast.pay(cast.working(opened + 12 + cast.between(0, 6)), cast.subject, _party(cast, people, 40), part)


def change_of_behaviour(cast: Cast, people: Int64s) -> None:
    """A customer of small everyday payments begins to move several thousands almost daily."""
    days = cast.between(7, 14)
    start = cast.start(days + 4, first=cast.population.days // 2)
    for _ in range(cast.between(6, 12)):
        cents = cast.dollars(1_500, 10_000)
        day = cast.working(start + cast.between(0, days - 1))
        cast.pay(day, _party(cast, people, 50), cast.subject, cents)
        cast.pay(cast.working(day + 1), cast.subject, _party(cast, people, 40), cast.after_fee(cents, 80, 99))
