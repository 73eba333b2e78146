"""Turns a config file into typed, validated Study and Run objects. Nothing else reads YAML."""

from noiseband.study.config import StudyConfig
from noiseband.study.load import load_study, parse_study
from noiseband.study.pretrained import PretrainedModel
from noiseband.study.problems import StudyError
from noiseband.study.recipe import BaselineRecipe, Recipe, difference
from noiseband.study.runs import Run, Study
from noiseband.study.section import Section
from noiseband.study.yaml_file import read_yaml

__all__ = [
    "BaselineRecipe",
    "PretrainedModel",
    "Recipe",
    "Run",
    "Section",
    "Study",
    "StudyConfig",
    "StudyError",
    "difference",
    "load_study",
    "parse_study",
    "read_yaml",
]
