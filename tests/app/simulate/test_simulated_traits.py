"""No trait of a single row gives a case away."""

from pathlib import Path

import numpy as np
import pytest
from simulated_bank import DAY_US, Bank, read_bank

from monitor.app.simulate import simulate

HIGH_RISK = {"NG", "VN", "KE", "LB", "VE", "HT", "BG", "PA"}
RATIO = 20
BANDS = [10, 100, 300, 1_000, 2_000, 3_000, 5_000, 7_000, 9_000, 10_000, 15_000, 20_000, 30_000, 50_000, 100_000]


def traits(bank: Bank) -> dict[str, np.ndarray]:
    """Everything that can be read off one row except who is who, as words."""
    columns = bank.columns
    found = {name: np.array([value or "-" for value in columns[name]])
             for name in ("channel", "currency", "purpose", "remittance", "booking_entity", "status",
                          "debtor_country", "creditor_country")}  # fmt: skip
    for name in ("conductor", "device", "branch", "debtor_customer", "creditor_customer", "debtor_account",
                 "creditor_account", "reverses"):  # fmt: skip
        found[f"has {name}"] = np.array([value is not None for value in columns[name]]).astype(str)
    booked, minor, dollars = columns["booked_at"], columns["minor"], columns["dollars"]
    found["hour"] = (booked // (DAY_US // 24) % 24).astype(str)
    found["weekday"] = ((booked // DAY_US + 3) % 7).astype(str)
    found["cents"] = (minor % 100).astype(str)
    found["amount"] = np.digitize(dollars, BANDS).astype(str)
    unit = np.where(found["currency"] == "NOK", 1_000, 100)
    found["round"] = np.select([minor % (step * unit) == 0 for step in (1_000, 100, 10, 1)],
                               ["1000", "100", "10", "1"], "no")  # fmt: skip
    found["late"] = (columns["received_at"] - booked > DAY_US // 24).astype(str)
    segment = {profile["customer"]: profile["segment"] for profile in bank.profiles}
    for side in ("debtor", "creditor"):
        found[f"{side} segment"] = np.array([segment.get(c, "none") if c else "-" for c in columns[f"{side}_customer"]])
        found[f"{side} corridor"] = np.isin(found[f"{side}_country"], list(HIGH_RISK)).astype(str)
    below = np.digitize(dollars, [2_000, 5_000, 7_000, 10_000]).astype(str)
    found["cash below the threshold"] = np.char.add(np.where(found["channel"] == "cash", "cash ", "-"), below)
    found["round wire"] = ((found["channel"] == "wire") & (found["round"] == "1000")).astype(str)
    return found


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_every_trait_of_a_case_row_is_20_times_as_frequent_in_licit_rows(tmp_path: Path, seed: int):
    simulate(customers=2_000, days=60, seed=seed, out=tmp_path, file_format="parquet")
    bank = read_bank(tmp_path)
    is_case, rare, seen = bank.is_case, [], 0
    for name, words in traits(bank).items():
        for word in np.unique(words[is_case]):
            cases, licit = int((words[is_case] == word).sum()), int((words[~is_case] == word).sum())
            seen += 1
            if licit < RATIO * cases:
                rare.append((name, str(word), cases, licit))
    assert seen > 100
    assert rare == []


AP_MAX = 0.008
TIMES_PREVALENCE_MAX = 5.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [201, 202, 203])
def test_a_tree_model_on_single_rows_finds_next_to_nothing(tmp_path: Path, seed: int):
    """The leak floor: average precision at most 0.008 and at most 5 times the prevalence, on a random half."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import average_precision_score

    simulate(customers=6_000, days=90, seed=seed, out=tmp_path, file_format="parquet")
    bank = read_bank(tmp_path)
    words = traits(bank)
    rows = [np.log(bank.columns["dollars"]), words["cents"].astype(float)]
    without = ("amount", "cents", "debtor segment", "creditor segment")
    rows += [np.unique(words[name], return_inverse=True)[1].astype(float) for name in words if name not in without]
    features, truth = np.stack(rows, axis=1), bank.is_case
    learn = np.random.default_rng(seed).random(len(truth)) < 0.5
    model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, min_samples_leaf=40, learning_rate=0.08,
                                           random_state=seed)  # fmt: skip
    model.fit(features[learn], truth[learn])
    score = model.predict_proba(features[~learn])[:, 1]
    precision, prevalence = average_precision_score(truth[~learn], score), truth[~learn].mean()
    print(f"seed {seed}: average precision {precision:.4f}, {precision / prevalence:.1f} times {prevalence:.5f}")
    assert precision <= AP_MAX
    assert precision <= TIMES_PREVALENCE_MAX * prevalence
