"""plan=true counts what the run then computes, and leaves nothing behind."""

import re

from benchmarks.command import command, run_name


def files(folder):
    """Name, size and time of everything below a folder."""
    found = sorted(path for path in folder.rglob("*"))
    return [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in found]


def counts(text):
    """Stage -> (to compute, there), from the printed table."""
    lines = re.findall(r"^([a-z ]+?) {2,}(\d+) +(\d+)$", text, re.MULTILINE)
    return {name: (int(missing), int(there)) for name, missing, there in lines}


def test_before_the_first_run_all_is_to_compute_and_nothing_is_made(start, tmp_path, capsys):
    out = tmp_path / "out"
    assert start(out, "plan=true") == 0
    said = capsys.readouterr().out
    assert not out.exists()
    assert counts(said) == {
        "images decoded": (1, 0), "encoders": (4, 0), "latents": (4, 0),
        "cells of the table": (2 * 2 * (2 * 2 + 3), 0),
    }  # fmt: skip
    assert "hours: not known" in said and "disk: not known" in said
    assert "smallest detectable effect: not known" in said


def test_what_is_there_is_found_and_left_as_it_is(start, finished, capsys):
    out = finished.parent.parent
    before = files(out)
    assert start(out, "seeds=[0]", "plan=true") == 0
    said = capsys.readouterr().out
    assert files(out) == before
    assert counts(said) == {
        "images decoded": (0, 1), "encoders": (0, 4), "latents": (0, 4),
        "cells of the table": (0, 28),
    }  # fmt: skip
    assert f"run folder: {finished} (there)" in said
    assert "hours: 0, all is there" in said and "disk: about 0 MB" in said
    assert f"as measured in {finished.name} (2 run(s))" in said


def test_what_is_missing_is_what_the_run_then_computes(start, copied, capsys):
    out = copied.parent.parent
    more = ["folds=[0]", "seeds=[0,1]", "budgets=[2,3,4]", "baselines=[chance]"]
    assert start(out, *more, "plan=true") == 0
    said = counts(capsys.readouterr().out)
    cache = out / "cache"
    stages = {"encoders": "encoders", "latents": "latents", "rows": "cells of the table"}
    before = {stage: len(list((cache / stage).iterdir())) for stage in stages}
    assert start(out, *more) == 0
    for stage, name in stages.items():
        made = len(list((cache / stage).iterdir())) - before[stage]
        assert said[name][0] == made > 0, stage
    assert said["cells of the table"] == (30 - 10, 10)


def test_hours_come_from_records_of_the_same_kind_alone(start, copied, capsys):
    out = copied.parent.parent
    assert start(out, "seeds=[0,1]", "plan=true") == 0
    said = capsys.readouterr().out
    assert re.search(r"hours: [\d.e-]+ by finished records of the same kind; latents not", said)
    assert start(out, "seeds=[0,1]", "probes=[linear,knn]", "plan=true") == 0
    said = capsys.readouterr().out
    assert re.search(r"not known for 16 cells of the table, of whose kind no record", said)
    assert start(out, "seeds=[5]", "max_features=32", "data.size=20", "plan=true") == 0
    assert "hours: not known before images" in capsys.readouterr().out


def test_a_detectable_effect_without_earlier_rows_names_its_assumption(start, copied, capsys):
    (copied / "comparisons.csv").unlink()
    assert start(copied.parent.parent, "plan=true") == 0
    said = capsys.readouterr().out
    assert f"at least {100 * 3.06 * (0.2 / 32) ** 0.5:.1f} points on 32 test images" in said
    assert "Assumed: two rows disagree on 20 % of them" in said


def test_a_mistake_is_told_before_anything_starts(start, tmp_path, finished, capsys):
    assert start(tmp_path / "out", "methods.block_regression.tap=nose", "plan=true") == 2
    assert "has no tap nose" in capsys.readouterr().err
    assert start(finished.parent.parent, "budgets=[999]", "plan=true") == 3
    assert "999 are asked for" in capsys.readouterr().err


def test_plan_is_not_part_of_a_runs_name(tmp_path):
    assert run_name("x", ["plan=true", "seeds=[1]"]) == run_name("x", ["seeds=[1]"])
    run = [f"out={tmp_path}", "plan=true", "nonsense=1"]
    assert command(lambda config, folder, line: folder, run) == 2
