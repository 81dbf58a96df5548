"""Every experiment of configs/exp, from pictures to its table and its page, by the real command.

Experiments are found by listing the folder. All are run on the embedded pictures, one each on an
image folder and on files in the layout of Food-101 on the Hub.
"""

import os
import re
import shlex

import numpy as np
import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, Features, Image
from omegaconf import OmegaConf
from PIL import Image as Picture

from benchmarks.checks import check
from benchmarks.command import command
from benchmarks.painters import colorizes
from benchmarks.procedural import draw
from benchmarks.run import run
from benchmarks.settings import ROOT, build, load_config, options
from benchmarks.splits import SEED004_UNSEEN

SMALL = [
    "preset=cpu", "data.size=32", "budgets=[2]", "primary.labels_per_class=2", "max_features=32",
    "selection.folds=1", "pretrain.precision=32-true", "scale.block_channels=[8,8]",
    "scale.norm_groups=4", "scale.block_pixels=null", "scale.pixel_size=16", "scale.steps=2",
    "scale.alexnet={stride:2,fc_width:8,width:0.1}", "scale.colorful_width=0.05",
    "scale.unet_width=4", "scale.unet_depth=4", "scale.resnet_unet_width=4",
    "scale.critic_width=4", "scale.flat_unet_width=0.1", "scale.inception_width=0.05",
    "scale.precision='32'", "way_matched.draws=1",
]  # fmt: skip
DRAWN = [
    "data=procedural", "data.n_classes=4", "data.train_per_class=12", "data.test_per_class=3",
    "split=folds", "split.n_folds=2", "split.pool_fraction=0.3",
]  # fmt: skip
DIVIDED = ["split.n_folds=2", "split.pool_fraction=0.3"]
BESIDE = {  # pictures for the patch, halves of pictures, a trunk that is fast to build
    "patch_size": ["data.size=96"],
    "maps": ["data.size=64"],
    "colorful": ["quality.temperatures=[0.77]"],
    "losses": [
        *(f"++methods.loss_{space}_lpips.pretext.lpips.trunk=squeeze" for space in ("lab", "rgb")),
        *(
            f"++methods.loss_{space}_wgan_lpips.pretext.pretext.lpips.trunk=squeeze"
            for space in ("lab", "rgb")
        ),
    ],
}
SYSTEMS = {"splitbrain_layers", "colorful", "losses", "rgb_vs_lab", "patch_size", "gan_vs_l2",
           "joint_classifier", "maps", "systems"}  # fmt: skip


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Where all runs go: they share a cache, as an experimenter's do."""
    return tmp_path_factory.mktemp("results")


def part_of(exp):
    """Overrides that leave of an experiment its first comparison, and few pictures to measure.

    Every method is trained elsewhere (test_every_method.py); COLORPROBE_SLOW=1 takes them all.
    """
    cfg = load_config([f"exp={exp}", "preset=cpu"])
    few = ["quality.max_images=6"] if cfg.quality else []
    if "COLORPROBE_SLOW" in os.environ:
        return few
    pair = OmegaConf.to_container(cfg.comparisons)[0]
    methods = [name for name, classifier in pair if classifier != "pixels"]
    baselines = [*(name for name, classifier in pair if classifier == "pixels"), "chance"]
    sides = ",".join(f"[{name},{classifier}]" for name, classifier in pair)
    chosen = {"methods": ",".join(methods), "baselines": ",".join(baselines)}
    return [*(f"{k}=[{v}]" for k, v in chosen.items()), f"comparisons=[[{sides}]]", *few]


@pytest.fixture(scope="module")
def ran(out):
    """Run an experiment by the command; the folder of the run."""

    def ran(exp, *overrides):
        before = set((out / "runs").glob("*"))
        asked = [f"exp={exp}", *SMALL, *part_of(exp), *BESIDE.get(exp, []), *overrides]
        assert command(run, [*asked, f"out={out}"]) == 0
        (folder,) = set((out / "runs").glob("*")) - before
        return folder

    return ran


def pixels(n, size, seed=0):
    """n drawn pictures of four species, and their labels."""
    labels = np.arange(n) % 4
    ids = np.arange(n) + 1000 * seed
    return draw(labels, ids, size=size, color="lawful", seed=1, n_classes=4), labels


def image_folder(root, names, n_train, n_test):
    """Write PNG and JPEG files of no special size below root/SPLIT/CLASS."""
    for split, n in (("train", n_train), ("test", n_test)):
        for i, name in enumerate(names):
            folder = root / split / name
            folder.mkdir(parents=True)
            for j, picture in enumerate(pixels(n, 40, seed=2 * i + (split == "test"))[0]):
                Picture.fromarray(picture[:, : 40 - j]).save(
                    folder / f"{j}.{'png' if j % 2 else 'jpg'}"
                )
    return root


def parquet(root):
    """Write files as the Hub holds Food-101: train-*.parquet and validation-*.parquet."""
    root.mkdir()
    features = Features({"image": Image(), "label": ClassLabel(names=["a", "b", "c", "d"])})
    for seed, (split, n) in enumerate((("train", 48), ("validation", 12))):
        drawn, labels = pixels(n, 40, seed)
        rows = {"image": [Picture.fromarray(picture) for picture in drawn], "label": labels}
        Dataset.from_dict(rows, features).to_parquet(root / f"{split}-00000-of-00001.parquet")
    return root


def assert_reported(folder):
    """Every entrant has numbers, every comparison an effect, and table and page tell of them."""
    cfg = OmegaConf.load(folder / "config.yaml")
    rows, text = pd.read_csv(folder / "rows.csv"), (folder / "report.html").read_text("utf-8")
    table = (folder / "table.md").read_text("utf-8")
    assert set(rows["method"]) == {*cfg.methods, *cfg.baselines}
    assert np.isfinite(rows["value"]).all()
    for name in (*cfg.methods, *cfg.baselines):
        assert name in text and name in table, name
    found = pd.read_csv(folder / "comparisons.csv")
    sides = [tuple(found[f"{side}_{part}"]) for side in "ab" for part in ("method", "classifier")]
    declared = {(*a, *b) for a, b in OmegaConf.to_container(cfg.comparisons)}
    assert set(zip(*sides, strict=True)) == declared
    assert np.isfinite(found["effect"]).all()
    if cfg.quality:
        quality = pd.read_csv(folder / "quality.csv")
        colours = {name for name, of in cfg.methods.items() if colorizes(build(of.pretext))}
        assert colours <= set(quality["method"])
        assert np.isfinite(quality["value"]).all()
        assert "Colorizations of unseen classes" in table


@pytest.mark.parametrize("exp", [name for name in options("exp") if name != "food101_seed004"])
def test_an_experiment_runs_on_the_embedded_pictures(exp, ran):
    folder = ran(exp, *DRAWN)
    assert_reported(folder)
    table = (folder / "table.md").read_text("utf-8")
    assert ("of linear_at by tap" in table) == (exp == "splitbrain_layers")
    assert ("colorful T=0.77" in table) == (exp == "colorful")


def test_an_experiment_runs_on_an_image_folder(ran, tmp_path):
    root = image_folder(tmp_path / "pictures", "abcd", 12, 3)
    assert_reported(ran("rgb_vs_lab", "data=imagefolder", f"data.path={root}", *DIVIDED))


def test_pairs_may_lie_in_two_folders(ran, tmp_path):
    """As the header of maps says."""
    root = image_folder(tmp_path / "pictures", ["one", "two"], 12, 3)
    assert_reported(ran("maps", "data=imagefolder", f"data.path={root}", "+data.fit=squash",
                        "split.n_folds=2", "split.pool_fraction=0.3"))  # fmt: skip


def test_an_experiment_runs_on_food_101(ran, tmp_path):
    """Files of the same layout and keys, with fewer dishes."""
    root = parquet(tmp_path / "food101")
    assert_reported(ran("maps", f"data.path={root}", *DIVIDED))


def test_seed_004_runs_where_its_dishes_are(ran, tmp_path):
    root = image_folder(tmp_path / "dishes", [*SEED004_UNSEEN, "ramen", "tacos"], 20, 2)
    folder = ran("food101_seed004", "data=imagefolder", f"data.path={root}", "budgets=[1]",
                 "primary.labels_per_class=1")  # fmt: skip
    assert_reported(folder)


def commands(exp):
    """The overrides of each command in the header of an experiment."""
    header = re.match(r"(#.*\n)+", (ROOT / "configs" / "exp" / f"{exp}.yaml").read_text("utf-8"))[0]
    found = re.findall(r"python benchmarks/run\.py(?: (\S.*?))?(?:  .*)?$", header, re.M)
    return [shlex.split(command) for command in found]


@pytest.mark.parametrize("exp", options("exp"))
def test_the_commands_of_a_header_compose(exp):
    for overrides in commands(exp):
        cfg = load_config(overrides)
        check(cfg)
        assert cfg.name == exp and cfg.primary.labels_per_class in cfg.budgets


@pytest.mark.parametrize("exp", sorted(SYSTEMS))
def test_a_header_has_a_command_for_each_source(exp):
    sources = [
        (load_config(asked).data["_target_"].rpartition(".")[2], "data.path=DIR" in asked)
        for asked in commands(exp)
    ]
    for wanted in (("HubSource", True), ("ProceduralSource", False), ("ImageFolderSource", True)):
        assert wanted in sources
