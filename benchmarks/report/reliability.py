"""Is a classifier as often right as it is sure: calibration errors, and a reliability figure.

Guo et al. (2017), On calibration of modern neural networks; bins of Naeini et al. (2015).
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int64

from benchmarks.report.canvas import FAINT, Figure, canvas, colour, legend_below, marker, png, text
from benchmarks.report.render import Table
from benchmarks.report.savings import of_handle
from benchmarks.report.source import Source
from benchmarks.report.statements import points, shown_name, where
from benchmarks.report.tables import KINDS, kind

N_BINS = 15  # of equal width in (0, 1]
DRAWS = 20  # samples of a calibrated classifier


class Bins(NamedTuple):
    """Of each bin: how many images, how many told rightly, and the sum of their confidences."""

    images: Int64[np.ndarray, " b"]
    right: Float[np.ndarray, " b"]
    sure: Float[np.ndarray, " b"]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean over images of |top-1 - confidence| by bin."""
        return float(np.abs(self.right - self.sure).sum() / self.images.sum())


def binned(confidence: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"]) -> Bins:
    """Return the sums by bin; bin i has the confidences above i / 15, up to (i + 1) / 15."""
    sure = confidence.astype(np.float64)
    place = np.clip(np.ceil(sure * N_BINS) - 1, 0, N_BINS - 1).astype(np.int64)
    sums = (np.bincount(place, weights, N_BINS) for weights in (right.astype(float), sure))
    return Bins(np.bincount(place, minlength=N_BINS), *sums)


def error_by_chance(confidence: Float[np.ndarray, " n"], *, seed: int) -> float:
    """Return the mean error of samples in which each confidence is exactly the chance to be right.

    What a perfectly calibrated classifier shows with so few images: 0 only without end.
    """
    rng = np.random.default_rng(seed)
    drawn = (binned(confidence, rng.random(len(confidence)) < confidence) for _ in range(DRAWS))
    return float(np.mean([bins.error for bins in drawn]))


def calibration_table(source: Source) -> Table | None:
    """Return confidence beside top-1 at the primary endpoint; None where no record tells it."""
    rows, endpoint = source.endpoint_rows(), source.endpoint
    found = [line for row in rows.to_dict("records") if (line := _line(row, source))]
    if not found:
        return None
    names = ["kind", "method", "classifier", "label_free"]
    means = pd.DataFrame(found).groupby(names, as_index=False).mean()
    means = means.assign(rank=means["kind"].map(KINDS.index))
    means = means.sort_values(["rank", "error"], ignore_index=True)
    body = tuple(
        (
            shown_name(line["method"], bool(line["label_free"])),
            str(line["classifier"]),
            *(f"{100 * line[name]:.1f}" for name in ("top1", "sure")),
            points(line["sure"] - line["top1"]),
            *(f"{100 * line[name]:.1f}" for name in ("error", "chance")),
        )
        for line in means.to_dict("records")
    )
    note = (
        f"Means over runs, in %. ECE: expected calibration error, |top-1 - confidence| in "
        f"{N_BINS} bins of confidence of equal width, weighted by images (Guo et al. 2017). By "
        "chance: the ECE of a perfectly calibrated classifier with these confidences and so many "
        "images. Confidence is the largest probability."
    )
    header = (
        "method",
        "classifier",
        "top-1",
        "confidence",
        "difference",
        "ECE \u2193",
        "by chance",
    )
    rules = frozenset((np.flatnonzero(np.diff(means["rank"])) + 1).tolist())
    setting = where(endpoint["classes"], endpoint["task"])
    title = f"Confidence and top-1 (%) {setting}, {endpoint['labels_per_class']:g} labels per class"
    return Table(title, header, body, note, rules=rules)


def reliability_figure(source: Source) -> Figure | None:
    """Return top-1 by confidence for the rows of the first comparison, runs taken together."""
    rows, shown = source.endpoint_rows(), {}
    for handle in (source.run.get("comparisons") or [[]])[0]:
        records = [_record(row, source) for row in rows[of_handle(rows, handle)].to_dict("records")]
        if known := [record for record in records if record]:
            shown[" · ".join(handle)] = binned(*map(np.concatenate, zip(*known, strict=True)))
    if not shown:
        return None
    sheet, (axes,) = canvas(1, width=4.6, height=4.4)
    texts, reach = [], 0.0
    for i, (name, bins) in enumerate(shown.items()):
        there = bins.images > 0
        n = bins.images[there]
        x, y = (100 * of[there] / n for of in (bins.sure, bins.right))
        axes.plot(x, y, color=colour(i), ls=("-", "--")[i % 2], lw=1.2)
        axes.scatter(x, y, s=12 + 240 * n / n.sum(), color=colour(i), marker=marker(i),
                     alpha=0.8, label=f"{text(name)}, ECE {100 * bins.error:.1f} %")  # fmt: skip
        reach = max(reach, float(x.max()), float(y.max()))
        told = ", ".join(f"{a:.0f} sure {b:.0f} right" for a, b in zip(x, y, strict=True))
        texts.append(f"{name}, ECE {100 * bins.error:.1f} %: {told}")
    axes.plot([0, reach], [0, reach], color=FAINT, lw=4, zorder=0, label="calibrated")
    axes.set(xlabel="confidence (%), mean of a bin", ylabel="top-1 (%)")
    legend_below(sheet, axes)
    alt = f"Top-1 against confidence in %, by bin. {'; '.join(texts)}."
    title = "Reliability, all runs together; larger marks stand for more images"
    return Figure("reliability", title, png(sheet), alt)


def _record(row: dict[Any, Any], source: Source) -> tuple[np.ndarray, np.ndarray] | None:
    """Confidence and correctness of a row's images; None where a record has no finite ones."""
    images = source.images(row)
    confidence = images.get("confidence")
    if confidence is None or not np.isfinite(confidence).all():
        return None
    return confidence, images["correct"]


def _line(row: dict[Any, Any], source: Source) -> dict[str, Any] | None:
    record = _record(row, source)
    if record is None:
        return None
    confidence, right = record
    names = {name: row[name] for name in ("method", "classifier", "label_free")}
    return {"kind": kind(row["method"], row["classifier"]), **names, "top1": right.mean(),
            "sure": confidence.mean(dtype=np.float64), "error": binned(confidence, right).error,
            "chance": error_by_chance(confidence, seed=0)}  # fmt: skip
