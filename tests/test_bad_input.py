"""Every foreseen mistake, through the command: one line of cause, one of remedy, an exit code."""

import json
import signal

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.command import command
from benchmarks.run import run

SCALE = [
    "device=cpu", "budgets=[2]", "max_features=64", "selection.folds=1",
    "scale.block_channels=[8,8]", "scale.norm_groups=4", "scale.block_pixels=null",
    "scale.pixel_size=8", "scale.steps=2",
    "methods=[block_untrained]", "probes=[linear]", "baselines=[chance]",
]  # fmt: skip
DRAWN = [
    "data.n_classes=8", "data.train_per_class=20", "data.test_per_class=2", "data.size=16",
]  # fmt: skip

CONFIGURATION = {  # what is added to the command: what its two lines must name
    "dtaa.size=3": ("dtaa", "--cfg job"),
    "budgts=[3]": ("budgts", "--cfg job"),
    "+pretrain.epoch=1": ("epoch", "did you mean epochs?"),
    "methods=[block_regresion]": ("block_regresion", "did you mean block_regression?"),
    "probes=[liner]": ("liner", "did you mean linear?"),
    "baselines=[chanc]": ("chanc", "did you mean chance?"),
    "exp=unknown": ("unknown", "known: cifar10_holdout, colorful, food101_holdout"),
    "preset=gpuu": ("gpuu", "did you mean gpu?"),
    "data=food11": ("food11", "did you mean food101?"),
    "split=held_out": ("split.unseen", "key=value"),
    "split=held_out split.unseen=[nope]": ("nope", "nearest"),
    "+split.parts=3": ("parts", "override"),
    "folds=[9]": ("fold 9", "0 to 2"),
    "folds=[]": ("folds=[]", "folds=[a]"),
    "budgets=oops": ("budgets=oops", "budgets=[a]"),
    "budgets=[oops]": ("budgets=oops", ">= 1"),
    "budgets=[0]": ("budgets=0", ">= 1"),
    "budgets=[1.5]": ("budgets=1.5", ">= 1"),
    "budgets=[]": ("budgets=[]", "budgets=[a]"),
    "budgets=[2": ("[2", "key=value"),
    "seeds=x": ("seeds=x", "seeds=[a]"),
    "seeds=3": ("seeds=3", "seeds=[a]"),
    "seeds=[-1]": ("seeds=-1", ">= 0"),
    "draws=0": ("draws=0", ">= 1"),
    "tasks=[zzz]": ("tasks=zzz", "all, seen, unseen"),
    "tasks=[sen]": ("tasks=sen", "did you mean seen?"),
    "device=tpu": ("device=tpu", "auto, cpu, cuda"),
    "pretrain.epochs=x": ("pretrain.epochs=x", "float"),
    "pretrain.epochs=-1": ("pretrain.epochs=-1", ">= 0"),
    "pretrain.batch_size=0": ("pretrain.batch_size=0", ">= 1"),
    "pretrain.lr=fast": ("pretrain.lr=fast", "float"),
    "pretrain.precision=bf61": ("bf61", "bf16-mixed"),
    "+pretrain.schedule=cosin": ("cosin", "did you mean cosine?"),
    "scale.steps=x": ("scale.steps=x", ">= 1"),
    "scale.precision=fp8": ("fp8", "bf16"),
    "probes=[linear,mlp] probes.mlp.probe.n_trials=0": ("n_trials", "override"),
    "notes=7": ("notes=7", "of: [NAMES]"),
    "notes=[{note:alone}]": ("alone", "of: [NAMES]"),
    "+baselines.chance.baseline.luck=1": ("luck", "override"),
    "scale.pixel_size=32 baselines=[small_cnn]": ("small_cnn", "scale.pixel_size"),
    "scale.block_pixels=64": ("block_untrained", "scale.block_pixels"),
    "methods=[block_untrained,block_lpips] scale.lpips=absent.safetensors": ("absent", "override"),
    "methods.block_untrained.tap=top": ("top", "bottleneck"),
    "+methods.block_untrained.head_tap=top": ("top", "bottleneck"),
    "methods.block_untrained.model._target_=os.system": ("os.system", ""),
    "+methods.block_untrained.model.depth=3": ("depth", "override"),
    "+data.colour=red": ("colour", "override"),
    "data.color=pink": ("pink", "lawful or independent"),
    "data.size=0": ("data.size=0", ">= 8"),
    "methods=[] baselines=[]": ("nothing competes", "baselines="),
    "data=imagefolder": ("data.path", "key=value"),
    "selection.on_test=no": ("selection.on_test=no", "selection.on_test=true"),
    "plan=no": ("plan=no", "plan=false"),
    "exploratory=maybe": ("exploratory=maybe", "exploratory=true"),
    "budgets=[2,2]": ("has 2 twice", "once"),
    "folds=[0,0]": ("has 0 twice", "once"),
    "seeds=[0,1,0]": ("has 0 twice", "once"),
    "tasks=[all,all]": ("has all twice", "once"),
    "methods=[block_untrained,block_untrained]": ("has block_untrained twice", "once"),
    "probes=[linear,knn,linear]": ("has linear twice", "once"),
    "baselines=[chance,chance]": ("has chance twice", "once"),
    "exposure=[block_untrained,block_untrained]": ("block_untrained twice", "once"),
    "exposure=3": ("exposure=3", "exposure=[a]"),
    "exposure=block_untrained": ("exposure=block_untrained", "exposure=[a]"),
    "way_matched.classifiers=linear": ("way_matched.classifiers=linear", "=[a]"),
    "comparisons=3": ("comparisons=3", "pairs"),
    "primary=3": ("primary=3", "primary=null"),
    "defects=3": ("defects=3", "['TEXT']"),
    "notes=[{of:3,note:x}]": ("'of': 3", "of: [NAMES]"),
    "out=null": ("out=None", "out=results"),
    "out=[a]": ("out=['a']", "out=results"),
    "out=": ("out= is no folder", "out=results"),
    "name=null": ("name=None", "name='TEXT'"),
    "+selection.rule=x": ("rule", "folds, validation_images, on_test"),
    "selection.validation_images=0": ("selection.validation_images=0", ">= 1"),
    "selection=3": ("selection=3", "selection.KEY=VALUE"),
    "scale=3": ("scale=3", "scale.KEY=VALUE"),
    "seeds=[99999999999999999999]": ("99999999999999999999", "4294967295"),
    "pretrain.lr=nan": ("pretrain.lr=nan", ">= 0"),
    "pretrain.lr=-1": ("pretrain.lr=-1", ">= 0"),
    "pretrain.epochs=true": ("pretrain.epochs=True", "float"),
    "+pretrain.beta1=1": ("pretrain.beta1=1", "below 1"),
    "+pretrain.clip=0": ("pretrain.clip=0", "> 0"),
    "split.n_folds=x": ("split.n_folds=x", "a whole number"),
    "data.n_classes=x": ("data.n_classes=x", "a whole number"),
    "data.n_classes=1 plan=true": ("data.n_classes=1", ">= 2"),
    "split.n_folds=1 plan=true": ("split.n_folds=1", ">= 2"),
    "folds=[9] plan=true": ("fold 9", "0 to 2"),
    "split=absent/split-0.tsv plan=true": ("absent/split-0.tsv", "split-FOLD.tsv"),
    "primary.classes=foo plan=true": ("primary.classes=foo", "all, seen, unseen"),
    "=3": ("override", "key=value"),
    "--fast": ("--fast", "key=value"),
}


@pytest.fixture
def ask(tmp_path, capsys):
    """Give a command further arguments; its exit code, cause and remedy come back."""

    def ask(*arguments, data=DRAWN):
        code = command(run, [f"out={tmp_path / 'out'}", *SCALE, *data, *arguments])
        lines = capsys.readouterr().err.splitlines()
        if not code:
            return code, "", ""
        assert not [line for line in lines if "Traceback" in line]
        (cause,) = (line for line in lines if line.startswith("error: "))
        (remedy,) = (line for line in lines if line.startswith("  try: "))
        assert lines.index(remedy) == lines.index(cause) + 1, "a cause has one line"
        return code, cause, remedy

    at_first = signal.getsignal(signal.SIGTERM)
    yield ask
    signal.signal(signal.SIGTERM, at_first)


@pytest.fixture
def folder(tmp_path):
    """Three classes of 40 images of 8 px of noise, in folders, undivided."""
    rng = np.random.default_rng(0)
    for index in range(120):
        path = tmp_path / "pictures" / f"class{index % 3}" / f"{index:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return tmp_path / "pictures"


@pytest.mark.parametrize("added", CONFIGURATION)
def test_a_mistake_in_the_configuration(ask, tmp_path, added):
    drawn = DRAWN if "data=" not in added else DRAWN[-1:]
    code, cause, remedy = ask(*added.split(" "), data=drawn)
    assert code == 2
    named, hint = CONFIGURATION[added]
    assert named in cause and hint in remedy
    assert not (tmp_path / "out" / "cache" / "encoders").exists(), "refused before any training"


def test_the_arguments_that_mistakes_are_added_to_are_right(ask):
    assert ask() == (0, "", "")


def test_a_device_that_is_not_there(ask):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    code, cause, remedy = ask("device=cuda")
    assert code == 4 and "CUDA" in cause and "device=cpu" in remedy


def test_results_that_cannot_be_written(ask, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / ("x" * 300)):
        code, cause, remedy = ask(f"out={out}")
        assert code == 4 and str(out) in cause and "out=DIR" in remedy


def test_a_budget_larger_than_a_class(ask, tmp_path):
    code, cause, remedy = ask("budgets=[1,40]")
    assert code == 3 and "40" in cause and "lower labels_per_class to 2" in remedy
    assert not (tmp_path / "out" / "cache" / "encoders").exists(), "refused before any training"


@pytest.mark.parametrize("data", ["imagefolder", "food101"])
def test_a_folder_that_does_not_exist(ask, tmp_path, data):
    path = tmp_path / "absent"
    code, cause, remedy = ask(f"data={data}", f"data.path={path}", data=[])
    assert code == 3 and str(path) in cause and "data.path=DIR" in remedy


def test_a_folder_of_another_layout(ask, folder):
    code, cause, remedy = ask("data=food101", f"data.path={folder}", data=[])
    assert code == 3 and "parquet" in cause and "data=imagefolder" in remedy


def test_a_class_without_images(ask, folder):
    (folder / "no such dish").mkdir()
    code, cause, remedy = ask("data=imagefolder", f"data.path={folder}", "data.size=8", data=[])
    assert code == 3 and "no such dish" in cause and "take the class out" in remedy


def test_an_unreadable_image_is_named_and_counted(ask, folder, tmp_path):
    (folder / "class0" / "000.png").write_bytes(b"no image")
    asked = ("data=imagefolder", f"data.path={folder}", "data.size=8")
    assert ask(*asked, data=[])[0] == 0
    (facts,) = (tmp_path / "out" / "runs").glob("*/run.json")
    (bad,) = json.loads(facts.read_text())["bad"]
    assert bad.startswith("class0/000.png: not an image")
    assert "class0/000.png" in facts.with_name("report.html").read_text()


def test_more_than_one_percent_unreadable_stops_the_run(ask, folder):
    for name in ("class0/000.png", "class1/001.png"):
        (folder / name).write_bytes(b"no image")
    code, cause, remedy = ask("data=imagefolder", f"data.path={folder}", "data.size=8", data=[])
    assert code == 3 and "2 of 120" in cause and "class1/001.png" in cause and "mend" in remedy


def test_a_hub_that_may_not_be_asked(ask, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    code, cause, remedy = ask("data=cifar10", "data.path=nobody/nothing", data=[])
    assert code == 3 and "nobody/nothing" in cause and "data.path=DIR" in remedy
