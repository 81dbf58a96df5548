"""Configurations compose, mistakes are told in one line, and no foreign code can be named."""

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from benchmarks.errors import ConfigError, ResourceError
from benchmarks.settings import build, load_config, options, plain, resolve
from probes.chance import Chance
from probes.linear import LinearProbe

FOREIGN = [
    "os.system", "subprocess.Popen", "builtins.eval", "torch.load", "modelsx.encoder.Encoder",
    # What files of ours import is as foreign as what they do not.
    "benchmarks.store.shutil.rmtree", "benchmarks.data.np.save", "benchmarks.encoders.load_file",
    "benchmarks.store", "models", "probes.", "benchmarks.no_such_file.run",
]  # fmt: skip


def bomb(target, path):
    """A node that makes the file `path` if `target` is a way to run commands."""
    return f'{{_target_: {target}, args: "touch {path}", command: "touch {path}"}}'


@pytest.mark.parametrize("target", FOREIGN)
@pytest.mark.parametrize("place", [
    "+data.more={}", "+data.more=[[1,{}]]", "+methods.block_untrained.model.deep={{a:[{{b:{}}}]}}",
])  # fmt: skip
def test_foreign_targets_are_refused_wherever_they_stand(tmp_path, target, place):
    spent = tmp_path / "spent"
    with pytest.raises(ConfigError, match="is not of this project"):
        load_config([place.format(bomb(target, spent))])
    assert not spent.exists()


def test_without_the_check_such_a_node_would_run(tmp_path):
    spent = tmp_path / "spent"
    instantiate(OmegaConf.create({"_target_": "pathlib.Path.touch", "_args_": [str(spent)]}))
    assert spent.exists()


def test_a_target_cannot_be_smuggled_in_by_interpolation():
    with pytest.raises(ConfigError, match=r"os\.system is not of this project"):
        load_config(["question=os.system", "data._target_=${question}"])


@pytest.mark.parametrize("group", ["methods", "probes", "baselines"])
def test_every_handle_is_of_this_project(group):
    names = options(group)
    assert len(names) > 3 and names == sorted(names)
    assert set(load_config([f"{group}=[{','.join(names)}]"])[group]) >= set(names)


@pytest.mark.parametrize(
    ("override", "said", "remedy"),
    [
        ("exp=quickstrat", "exp=quickstrat does not exist", "did you mean quickstart?"),
        ("methods=[splitbrain_c]", "methods=splitbrain_c does", "did you mean splitbrain_cl?"),
        ("probes=[liner]", "probes=liner does", "did you mean linear?"),
        ("preset=gpus", "preset=gpus does", "did you mean gpu? known: cpu, full, gpu"),
        ("data=zzz", "data=zzz does", "known: cifar10, "),
        ("bugdets=[5]", "bugdets", "--cfg job"),
        ("pretrain.epoch=3", "pretrain.epoch", "--cfg job"),
        ("methods.nope.tap=x", "nope", "--cfg job"),
        ("methods=[splitbrain_cl", "[splitbrain_cl", "--cfg job"),
        ("--verbose", "--verbose", "--cfg job"),
        ("data=imagefolder", "data.path", "--cfg job"),
        ("primary.classes=${scale.nope}", "scale.nope", "--cfg job"),
    ],
)
def test_a_mistake_is_named_in_one_line_with_a_remedy(override, said, remedy):
    with pytest.raises(ConfigError) as caught:
        resolve(load_config([override]))
    assert said in caught.value.cause
    assert remedy in caught.value.remedy
    assert "\n" not in caught.value.cause + caught.value.remedy
    assert len(caught.value.cause) < 400


def test_a_mistake_leaves_nothing_behind():
    for _ in range(2):
        with pytest.raises(ConfigError):
            load_config(["exp=nope"])
        assert load_config([]).name == "quickstart"


def test_what_the_command_line_says_wins_over_experiment_and_preset():
    assert load_config([]).budgets == [5, 25]
    config = load_config(["preset=cpu", "budgets=[3]", "selection.folds=4"])
    assert (config.preset_name, config.budgets, config.selection.folds) == ("cpu", [3], 4)
    assert load_config(["preset=cpu"]).selection.validation_images == 1000


def test_resolving_picks_a_device_and_leaves_no_reference():
    raw = load_config([])
    assert raw.device == "auto"
    config = resolve(raw)
    assert config.device == ("cuda" if torch.cuda.is_available() else "cpu")
    text = OmegaConf.to_yaml(config)
    assert "${" not in text
    assert config.probes.linear.probe.device == config.device
    assert resolve(load_config(["device=cpu"])).device == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told_before_anything_starts():
    with pytest.raises(ResourceError, match="no CUDA device"):
        resolve(load_config(["device=cuda"]))


def test_a_device_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="device=tpu"):
        resolve(load_config(["device=tpu"]))


def test_build_makes_the_thing_with_plain_python_arguments():
    node = OmegaConf.create(
        {"_target_": "probes.linear.LinearProbe", "weight_decays": [1.0, 0.1], "seed": 3}
    )
    probe = build(node)
    assert isinstance(probe, LinearProbe) and probe.seed == 3
    assert [trial["weight_decay"] for trial in probe.trials] == [1.0, 0.1]
    partial = build(OmegaConf.create({"_target_": "probes.chance.Chance", "_partial_": True}))
    assert isinstance(partial(seed=4), Chance)
    assert build(OmegaConf.create({"_target_": "probes.chance.Chance"}), seed=5).seed == 5


@pytest.mark.parametrize("wrong", [{"weight_decay": 1.0}, {"weight_decays": [-1.0]}])
def test_build_names_the_target_whose_arguments_do_not_fit(wrong):
    node = OmegaConf.create({"_target_": "probes.linear.LinearProbe", **wrong})
    with pytest.raises(ConfigError, match=r"^probes\.linear\.LinearProbe: .*weight_decay"):
        build(node)


def test_plain_is_what_a_key_can_be_made_of():
    config = OmegaConf.create({"a": 1, "b": ["${a}", {"c": None}]})
    assert plain(config) == {"a": 1, "b": [1, {"c": None}]}
    assert type(plain(config)) is dict and type(plain(config.b)) is list
    assert plain(7) == 7 and plain({"x": 1}) == {"x": 1}


def test_notes_stay_where_what_they_are_of_runs():
    notes = "notes=[all, {of: [small_resnet, mlp], note: some}]"
    with_it = load_config([notes, "baselines=[small_resnet,chance]"])
    without = load_config([notes, "baselines=[chance]"])
    assert plain(with_it.notes) == ["all", "some"] and plain(without.notes) == ["all"]
