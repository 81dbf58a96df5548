"""Calibration: nulls are rejected at 5 % or less, effects are found with the power that is printed.

Every world draws test images by class: classes and images are hard or easy for both rows, runs have
luck of their own. A false-positive rate of n experiments may exceed 5 % by 2.5 binomial standard
errors, sqrt(0.05 * 0.95 / n) each: a test that is exact fails here once in 160 worlds, and seeds
are fixed.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.bootstrap import Paired, hierarchical_bootstrap
from benchmarks.many_methods import critical_difference, friedman
from benchmarks.paired_tests import corrected_t, mcnemar_p, probability_of_outperforming
from benchmarks.report.statements import answer
from benchmarks.settings import load_config, plain
from benchmarks.significance import POWER, compare, sign_flip_p


def allowed(n):
    """The highest rate of false positives that n experiments of an exact test would show."""
    return 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / n)


def correctness(rng, shape, *, classes, methods=2, class_sd=0.1, own_sd=0.0, skill=0.4):
    """Booleans (experiments, runs, methods, images); `own_sd` is a method's luck by class.

    `shape` is (experiments, runs, images of a class).
    """
    experiments, runs, images = shape
    hard = rng.normal(0, class_sd, (experiments, 1, 1, classes, 1))
    own = rng.normal(0, own_sd, (experiments, 1, methods, classes, 1))
    shared = rng.normal(0, 1, (experiments, 1, 1, classes, images))
    noise = rng.normal(0, 1, (experiments, runs, methods, classes, images))
    rate = stats.norm.cdf((shared + noise) / np.sqrt(2))
    right = rate < skill + hard + own
    return right.reshape(experiments, runs, methods, classes * images)


def test_mcnemar_of_a_null():
    """1,000 experiments: one run, 20 classes of 20 images, as hard for one row as for the other."""
    right = correctness(np.random.default_rng(0), (1000, 1, 20), classes=20)[:, 0]
    rate = np.mean([mcnemar_p(a, b) <= 0.05 for a, b in right])
    assert 0.02 <= rate <= allowed(1000)


def test_mcnemar_has_its_binomial_power():
    """1,000 experiments of 60 discordant images, 42 of them a's on average: power by summation."""
    rng, n = np.random.default_rng(1), 60
    wins = np.arange(n + 1)
    rejected = np.array([stats.binomtest(int(w), n).pvalue <= 0.05 for w in wins])
    power = float(stats.binom.pmf(wins, n, 0.7) @ rejected)
    found = []
    for _ in range(1000):
        a = rng.random(n) < 0.7
        found.append(mcnemar_p(a, ~a) <= 0.05)
    assert np.mean(found) == pytest.approx(power, abs=3 * np.sqrt(power * (1 - power) / 1000))


def resampled_differences(rng, *, experiments, splits=15, n=60, n_test=12, columns=5):
    """Accuracy of two learners of equal skill, each on columns of its own, over shared splits."""
    y = np.tile([1.0, -1.0], (experiments, n // 2))
    x = rng.normal(0, 1, (2, experiments, n, columns)) + 0.35 * y[..., None]
    differences = np.empty((experiments, splits))
    for j in range(splits):
        order = rng.permuted(np.tile(np.arange(n), (experiments, 1)), axis=1)
        rows = np.arange(experiments)[:, None]
        test, train = order[:, :n_test], order[:, n_test:]
        right = []
        for own in x:
            weight = (own[rows, train] * y[rows, train][..., None]).mean(1)
            score = np.einsum("enc,ec->en", own[rows, test], weight)
            right.append((np.sign(score) == y[rows, test]).mean(1))
        differences[:, j] = right[0] - right[1]
    return differences


def test_corrected_t_of_a_null_where_students_t_fails():
    """1,000 experiments: 15 random splits 48 to 12 of 60 examples, nearest class means."""
    differences = resampled_differences(np.random.default_rng(2), experiments=1000)
    found = [corrected_t(d, n_train=48, n_test=12).p <= 0.05 for d in differences]
    naive = stats.ttest_1samp(differences, 0, axis=1).pvalue <= 0.05
    assert np.mean(naive) > 0.2
    assert np.mean(found) <= allowed(1000)


def test_corrected_t_is_exact_for_the_correlation_it_supposes():
    """2,000 experiments of 10 normal differences with correlation n_test / (n_test + n_train)."""
    rng, rho = np.random.default_rng(3), 20 / (20 + 80)
    shared = rng.normal(0, np.sqrt(rho), (2000, 1))
    differences = shared + rng.normal(0, np.sqrt(1 - rho), (2000, 10))
    rate = np.mean([corrected_t(d, n_train=80, n_test=20).p <= 0.05 for d in differences])
    assert 0.05 - 2.5 * 0.0049 <= rate <= allowed(2000)


@pytest.mark.parametrize("runs", [4, 8, 15])
def test_outperforming_of_a_null(runs):
    """2,000 experiments of runs with luck of their own: one half is excluded on either side."""
    scores = np.random.default_rng(4).normal(0.4, 0.02, (2000, 2, runs))
    found = [probability_of_outperforming(a, b) for a, b in scores]
    rate = np.mean([o.low > 0.5 or o.high < 0.5 for o in found])
    assert rate <= allowed(2000)
    assert rate == 0 or runs > 5


@pytest.mark.parametrize(("classes", "methods"), [(4, 4), (20, 6)])
def test_friedman_and_its_posthoc_of_a_null(classes, methods):
    """500 experiments: methods with luck by class; any pair found by the posthoc is an error."""
    rng = np.random.default_rng(5)
    right = correctness(rng, (500, 1, 20), classes=classes, methods=methods, own_sd=0.05)[:, 0]
    scores = right.reshape(500, methods, classes, 20).mean(-1).swapaxes(1, 2)
    reach, found = critical_difference(methods, classes), np.zeros((500, 2), bool)
    for i, of in enumerate(scores):
        test = friedman(of, seed=i, n_permutations=199)
        found[i] = (
            test.p <= 0.05,
            np.ptp(test.mean_ranks) > reach,
        )
    assert np.all(found.mean(0) <= allowed(500)), found.mean(0)


def runs_of(right, classes):
    """The runs of one experiment, as the bootstrap takes them."""
    labels = np.repeat(np.arange(classes), right.shape[-1] // classes)
    return [Paired(np.arange(len(labels)), labels, a, b) for a, b in right]


def decided(right, classes, seed):
    """Whether the sign flips find a difference, whether the interval does; what is detectable."""
    found = hierarchical_bootstrap(runs_of(right, classes), seed=seed, n_resamples=200)
    p = sign_flip_p(found, seed=seed, n_flips=199)
    detectable = (found.high - found.low) / 2 + POWER * found.se
    return p <= 0.05, not found.low <= 0 <= found.high, detectable


WORLDS = {
    "images": {"runs": 1, "classes": 20, "own_sd": 0.0},
    "classes": {"runs": 1, "classes": 20, "own_sd": 0.06},
    "seeds": {"runs": 4, "classes": 20, "own_sd": 0.04},
}


@pytest.mark.parametrize("world", WORLDS)
def test_the_primary_test_of_a_null_and_its_power_at_the_detectable_effect(world):
    """200 experiments each, 20 classes of 20 images; power is 80 to 90 %, within 2.5 errors."""
    how, rng, n = dict(WORLDS[world]), np.random.default_rng(6), 200
    runs, classes = how.pop("runs"), how["classes"]
    null = correctness(rng, (n, runs, 20), **how)
    found = np.array([decided(of, classes, i) for i, of in enumerate(null)], float)
    assert np.all(found[:, :2].mean(0) <= allowed(n)), found.mean(0)
    effect = found[:, 2].mean()
    better = correctness(
        rng, (n, runs, 20), **how, skill=0.4 + np.array([effect, 0.0])[:, None, None]
    )
    power = np.mean([decided(of, classes, i)[:2] for i, of in enumerate(better)], axis=0)
    slack = 2.5 * np.sqrt(0.8 * 0.2 / n)
    assert np.all((power >= 0.8 - slack) & (power <= 0.9 + slack)), (effect, power)


@pytest.fixture(scope="module")
def quickstart():
    """The experiment whose controls are simulated: its data's size, comparisons and endpoint."""
    return load_config([])


def control_experiments(cfg, *, gain, n=20, own_sd=0.06):
    """The answers of n simulated quickstarts of one run, in which only the primary row gains.

    Rows and predictions of every row that is compared, drawn with skill 0.55, and 0.55 + `gain`
    for the first row of the first comparison; then the declared test and the page's sentence.
    """
    comparisons = [[tuple(side) for side in pair] for pair in plain(cfg.comparisons)]
    handles = sorted({side for pair in comparisons for side in pair})
    skill = np.array([0.55 + gain * (of == comparisons[0][0]) for of in handles])[:, None, None]
    classes, images = cfg.data.n_classes, cfg.data.test_per_class
    how = {"classes": classes, "methods": len(handles), "own_sd": own_sd, "skill": skill}
    drawn = correctness(np.random.default_rng(7), (n, 1, images), **how)[:, 0]
    label, primary, told = np.repeat(np.arange(classes), images), plain(cfg.primary), []
    for i, of_methods in enumerate(drawn):
        rows = pd.DataFrame(
            {
                "method": method, "classifier": classifier, "task": "all", "metric": "top1",
                "classes": primary["classes"], "labels_per_class": primary["labels_per_class"],
                "fold": 0, "seed": 0, "draw": 0, "value": right.mean(), "key": f"{j}",
            }
            for j, ((method, classifier), right) in enumerate(zip(handles, of_methods, strict=True))
        )  # fmt: skip
        predicted = np.where(of_methods, label, (label + 1) % classes)
        records = {"ids": np.arange(len(label)), "label": label}
        found = compare(
            rows, lambda key, p=predicted, r=records: {**r, "predicted": p[int(key)]}, comparisons,
            seed=i, unseen={}, primary=primary, n_resamples=400,
        )  # fmt: skip
        assert len(found) == len(comparisons) and found["primary"].sum() == 1
        told.append(answer(found, {}))
    return told


def positive(told):
    """How many answers say that the first row is better, without a doubt."""
    return sum(" higher than " in text and "weak evidence" not in text for text in told)


def test_the_positive_control_is_found_in_19_of_20_experiments(quickstart):
    """A gain of 12 points, below what results/quickstart has; 24 classes, 50 test images each."""
    told = control_experiments(quickstart, gain=0.12)
    assert positive(told) >= 19, told


def test_the_negative_control_is_found_no_oftener_than_5_percent_allow(quickstart):
    """At most 3 of 20 in either direction: an exact test at 5 % has more in 1.6 % of all worlds."""
    most = int(stats.binom.ppf(0.975, 20, 0.05))
    assert most == 3
    told = control_experiments(quickstart, gain=0.0)
    assert sum("No difference" not in text and "weak evidence" not in text for text in told) <= most
    assert sum("No difference" not in text for text in told) <= most, "by the interval alone"
