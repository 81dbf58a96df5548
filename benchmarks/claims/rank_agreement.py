"""Do two measures rank systems alike? Spearman's correlation over systems, with its interval."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.report.quality import COLUMNS, REFERENCES

FEWEST = 5  # systems; of four, an interval says nothing


def scores_of_systems(table: pd.DataFrame, metric: str, classes: str) -> pd.Series:
    """Return one number a trained method: its mean over runs, turned so that more is better.

    `table` are rows of rows.csv or quality.csv. References and untrained twins are left out: they
    are known to be worst by every measure, and would make any two agree.
    """
    rows = table[(table["metric"] == metric) & (table["classes"] == classes)]
    trained = ~rows["method"].isin(REFERENCES) & ~rows["method"].str.endswith("_untrained")
    prefix = next((p for p in COLUMNS if metric == p or metric.startswith(f"{p}_")), "")
    more_is_better = COLUMNS[metric if metric in COLUMNS else prefix][3] if prefix else True
    sign = -1.0 if more_is_better is False else 1.0
    return sign * rows[trained].groupby("method")["value"].mean()


def rank_agreement(a: pd.Series, b: pd.Series) -> dict[str, Any] | None:
    """Return Spearman's correlation over the systems that both have, its 95 % interval and p.

    The interval is Fisher's z with the standard error of Bonett and Wright 2000, "Sample size
    requirements for estimating Pearson, Kendall and Spearman correlations"; p is that of Student's
    t. Both take systems as independent draws. None for fewer than five systems, or where one
    measure is the same for all.
    """
    both = pd.concat([a, b], axis=1, join="inner").dropna().to_numpy()
    n = len(both)
    if n < FEWEST or not np.ptp(both, axis=0).all():
        return None
    found = stats.spearmanr(both[:, 0], both[:, 1])
    rho, spread = float(found.statistic), 1 / np.sqrt(n - 3)
    reach = stats.norm.ppf(0.975) * spread * np.sqrt(1 + rho**2 / 2)
    z = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    detectable = np.tanh((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * spread)
    return {
        "effect": rho,
        "low": float(np.tanh(z - reach)),
        "high": float(np.tanh(z + reach)),
        "p": float(found.pvalue),
        "smallest_detectable": float(detectable),
        "n_test": n,
    }
