"""Find the files of a trained model that is to be exported or published, by the model's name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from noiseband.errors import DamagedError, NotMadeError, UserError, nearest
from noiseband.io.files import read_json
from noiseband.study import Study
from noiseband.study.architecture import Model
from noiseband.study.recipe import Recipe
from noiseband.study.table_params import finetuned_models


@dataclass(frozen=True)
class Source:
    """A trained model on disk."""

    model: Model
    weights: Path
    vocabulary: Path
    """Rank file of the model's vocabulary."""


def find_source(study: Study, name: str) -> Source:
    """The model that `name` stands for.

    Args:
        study: the study; its vocabulary is also used for a run's folder.
        name: a run or a pretrained model; an average of a run's weights as `run/averages/name`, or
            a snapshot as `run/snapshots/number`; a fine-tuned model as `run/protocol/seed`; or the
            folder of a run that `noiseband train` wrote anywhere.

    Raises:
        UserError: the name is neither a model of the study nor a run's folder.
        NotMadeError: the weights or the vocabulary do not exist yet.
    """
    tuned = ["/".join(map(str, one)) for one in finetuned_models(study)]
    run, _, rest = name.partition("/")
    if name in study.weights or name in tuned:
        found = study.models[run]
        folder = study.paths.run(run) / f"ift/{rest}"
        if name in study.weights:
            folder = study.weights_file(name).parent
        return _source(study, found.model, found.corpus, folder)
    if (Path(name) / "recipe.json").is_file():
        recipe = _recipe(Path(name) / "recipe.json")
        return _source(study, recipe.model, recipe.data.corpus, Path(name))
    raise UserError(
        f"{name}: neither a run of {study.config.study} nor a finished run's folder; "
        f"{nearest(name, [*study.weights, *tuned])}"
    )


def _source(study: Study, model: Model, corpus: str, folder: Path) -> Source:
    vocabulary = study.paths.vocabulary(corpus)
    found = Source(model, folder / "model.safetensors", vocabulary)
    for path in (found.weights, found.vocabulary):
        if not path.is_file():
            raise NotMadeError(path)
    return found


def _recipe(path: Path) -> Recipe:
    try:
        return Recipe.model_validate(read_json(path)["recipe"])
    except DamagedError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not the recipe of a run ({type(error).__name__})") from error
