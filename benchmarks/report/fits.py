"""Which fits a reader should doubt: settings at the end of their grid, optima not reached."""

import pandas as pd

from benchmarks.report.source import Source

WARNINGS = (  # column of fits.csv, the value that warns, term, what it means
    ("at_edge", True, "Settings at the edge of their grid",
     "a setting beyond it might have been better"),
    ("converged", False, "Fits that did not converge", "their optimum is not certified"),
)  # fmt: skip


def fit_facts(source: Source) -> list[tuple[str, str]]:
    """Return (term, text) pairs for the validity box; none where the run's folder has no fits.csv.

    Classifiers that know neither, such as networks trained by steps, are not counted.
    """
    found = []
    for name, warns, term, meaning in WARNINGS:
        known = source.fits.dropna(subset=name) if name in source.fits else source.fits
        if len(known):
            doubtful = known[name].astype(bool) == warns
            found.append((term, _text(known["classifier"], doubtful, meaning)))
    return found


def _text(classifiers: pd.Series, doubtful: pd.Series, meaning: str) -> str:
    """`12 of 40 (linear 10 of 20, shuffled 2 of 20): what it means`."""
    parts = [
        f"{name} {of.sum()} of {len(of)}"
        for name, of in doubtful.groupby(classifiers, sort=False)
        if of.any()
    ]
    told = f" ({', '.join(parts)}): {meaning}" if parts else ""
    return f"{doubtful.sum()} of {len(doubtful)} fits that tell{told}"
