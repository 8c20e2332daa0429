"""The sample of a quality review: a function of its seed, and a share of each person's decisions."""

from collections import Counter

from monitor.casework.quality import Decided, draw

DECIDED = [Decided(f"C-{n:02d}", n, ("ann", "bob", "cid")[n % 3 if n < 30 else 0]) for n in range(40)]


def test_another_seed_draws_another_sample_and_the_same_seed_the_same():
    one, again, other = (draw(DECIDED, percent=25, seed=seed) for seed in ("a", "a", "b"))
    assert one == again == draw(DECIDED[::-1], percent=25, seed="a")
    assert one != other


def test_of_each_person_the_share_is_drawn_rounded_up():
    drawn = Counter(each.decided_by for each in draw(DECIDED, percent=25, seed="a"))
    assert drawn == {"ann": 5, "bob": 3, "cid": 3}
    assert len(draw(DECIDED, percent=1, seed="a")) == 3
