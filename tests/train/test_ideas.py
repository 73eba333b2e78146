from pathlib import Path
import shutil, os, pytest
from noiseband.train.loop import train
from .conftest import MakeJob
from .test_loop import artefacts

def test_x(make_job, study_data, tmp_path, monkeypatch):
    shutil.copy("/tmp/wt/ideas_c/ideas.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    study_data["plugins"] = ["ideas.py"]
    for k in ["model.feed_forward.kind=ideas.mine","model.norm.kind=ideas.scaled","model.positions.kind=ideas.sine","model.attention.kind=ideas.sigmoid","optimizer.kind=ideas.lion","schedule.kind=ideas.triangle","loss.kind=ideas.focal"]:
        a,_,b=k.partition("=")
        job = make_job(b, **{a: b})
        train(job)
        print(job.params.recipe.text[-300:])
        print(job.params.recipe.model.architecture)
