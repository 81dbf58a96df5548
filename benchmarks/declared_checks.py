"""What an experiment declares and the report alone reads: checked before anything is computed."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from benchmarks.choices import check_choice, options
from benchmarks.controls import EXPOSED
from benchmarks.errors import ConfigError

ENDPOINT = {
    "classes": ("all", "seen", "unseen"),
    "task": ("all", "seen", "unseen", "way_matched"),
}
PAIRS = "give pairs: [[[METHOD, CLASSIFIER], [METHOD, CLASSIFIER]]]"


def check_declared(config: DictConfig) -> None:
    """Raise ConfigError for comparisons, an endpoint or defects that no report can tell of."""
    asked = OmegaConf.masked_copy(config, ["comparisons", "defects"])
    told: Any = OmegaConf.to_container(asked)
    pairs, defects = told["comparisons"], told["defects"]
    if not isinstance(pairs, list):
        raise ConfigError(f"comparisons={pairs} lists no pairs", PAIRS)
    for i, pair in enumerate(pairs):
        _check_pair(config, pair)
        if pair in pairs[:i]:
            raise ConfigError(f"comparisons has {pair} twice", "declare it once")
    _check_endpoint(config)
    if not (isinstance(defects, list) and all(isinstance(text, str) for text in defects)):
        raise ConfigError(f"defects={defects} is no list of texts", "give defects=['TEXT']")


def _check_pair(config: DictConfig, pair: Any) -> None:
    """Two rows that exist, whether or not this run chooses them."""
    sides: list[Any] = pair if isinstance(pair, list) and len(pair) == 2 else [None]
    for side in sides:
        names = side if isinstance(side, list) else []
        if len(names) != 2 or not all(isinstance(name, str) for name in names):
            raise ConfigError(f"comparisons has {pair}, which is no pair of rows", PAIRS)
        _check_row(config, *names)
    if sides[0] == sides[1]:
        raise ConfigError(f"comparisons has {sides[0]} against itself", PAIRS)


def _check_row(config: DictConfig, method: str, classifier: str) -> None:
    """A method or its exposed twin with a probe or PROBE@TAP, or a baseline with `pixels`."""
    methods, probes, baselines = (
        {*options(group), *config[group]} for group in ("methods", "probes", "baselines")
    )
    name = method if method in methods | baselines else method.removesuffix(EXPOSED)
    check_choice("comparisons: method", name, sorted(methods | baselines))
    check_choice("comparisons: classifier", classifier.split("@")[0], [*sorted(probes), "pixels"])
    if name not in (baselines if classifier == "pixels" else methods):
        raise ConfigError(
            f"comparisons: no row is called {method}, {classifier}",
            "methods go with probes, baselines with pixels",
        )


def _check_endpoint(config: DictConfig) -> None:
    """`primary`: null, or what of a row it names, each a value that rows have."""
    primary = config.primary
    if primary is None:
        return
    if not OmegaConf.is_dict(primary):
        raise ConfigError(
            f"primary={primary} is no endpoint",
            "give primary={labels_per_class: 25, classes: unseen}, or primary=null for none",
        )
    for key, value in primary.items():
        check_choice("primary key", key, ["labels_per_class", *ENDPOINT])
        if key in ENDPOINT:
            check_choice(f"primary.{key}", value, ENDPOINT[str(key)])
        elif type(value) is not int or value < 1:
            raise ConfigError(f"primary.{key}={value} cannot be", "give a whole number >= 1")
