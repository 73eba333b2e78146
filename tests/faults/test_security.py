"""Untrusted input is only data: it is never executed, cannot choose paths, and gets no keys."""

from __future__ import annotations

import ast
import os
import pickle
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import save_file
from snakemake.utils import format as snakemake_format
from typer.testing import CliRunner

from noiseband.cli import app, end
from noiseband.corpus.token_file import open_tokens
from noiseband.errors import UserError
from noiseband.hub.entry import import_model
from noiseband.hub.export import write_export
from noiseband.hub.pretrained import write_pretrained
from noiseband.model.load import load_model, load_start
from noiseband.repro.verify import verify
from noiseband.study.architecture import Model
from noiseband.study.config import Name, StudyConfig
from noiseband.study.load import parse_study
from noiseband.study.params import PretrainedParams
from noiseband.study.problems import SECRET
from noiseband.terminal import on_a_terminal, one_line
from noiseband.train.checkpoint import read
from tests.conftest import STUDY
from tests.hub.models import SMALL
from tests.hub.server import COMMIT, Hub, serve

SOURCES = sorted((Path(__file__).parents[2] / "src").rglob("*.py"))
LOADERS = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal",
    "zipfile", "tarfile", "xmlrpc", "imp",
}  # fmt: skip
CALLS = {
    "torch.load", "torch.jit.load", "np.load", "numpy.load", "np.fromfile", "pd.read_pickle",
    "yaml.unsafe_load", "yaml.full_load", "yaml.Loader", "eval", "exec", "compile", "__import__",
    "os.system", "os.popen", "shutil.unpack_archive", "from_pretrained",
}  # fmt: skip
MODEL = Model(vocabulary=16, context=8, width=8, heads=2, layers=1)
CPU = torch.device("cpu")


def calls(tree: ast.AST) -> dict[str, ast.Call]:
    return {ast.unparse(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}


def imports(tree: ast.AST) -> set[str]:
    names = [n.name for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names]
    names += [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def unsafe(text: str) -> set[str]:
    """The calls in a source that could execute the contents of a file, or unpack it elsewhere."""
    tree = ast.parse(text)
    made = calls(tree)
    found = imports(tree) & LOADERS | made.keys() & CALLS
    found |= {name for name in made if name.endswith(".from_pretrained")}
    for name, call in made.items():
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if name == "yaml.load" and given.get("Loader") != "_Loader":
            found.add(name)
        if name == "np.load" and given.get("allow_pickle") == "False":
            found.discard(name)
        if given.get("shell") == "True" or given.get("allow_pickle") == "True":
            found.add(name)
        if given.get("trust_remote_code") == "True" or given.get("weights_only") == "False":
            found.add(name)
    return found


def test_no_source_loads_what_could_execute() -> None:
    assert len(SOURCES) > 100
    found = {one: unsafe(one.read_text("utf-8")) for one in SOURCES}
    # Plugins are code that the user names in the config, to be run.
    (plugins,) = (one for one in SOURCES if one.parts[-2:] == ("ideas", "load.py"))
    assert found.pop(plugins) == {"compile", "exec"}
    assert {str(one): calls for one, calls in found.items() if calls} == {}
    for text in ("import pickle", "from joblib import load", "torch.load(x)", "yaml.load(x)",
                 "np.load(x)", "np.load(x, allow_pickle=True)", "run(x, shell=True)",
                 "A.from_pretrained(x)"):  # fmt: skip
        assert unsafe(text), text


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


PRETRAINED: dict[str, Any] = {"repo": None, "revision": None, "sha256": None, "model": SMALL}


def weights_readers(path: Path) -> dict[str, Callable[[], object]]:
    """Every function that reads a user's file of weights, tokens or training state."""
    out = path.parent / "out"
    given = {**PRETRAINED, "path": str(path.parent), "file": path.name, "context": 16}
    cli = CliRunner()
    return {
        "evaluate, fine-tune, answer": lambda: load_model(path, MODEL, "explicit", CPU),
        "train from": lambda: load_start(path),
        "go on from": lambda: read(path),
        "tokens": lambda: open_tokens(path),
        "verify": lambda: verify(path, path),
        "export": lambda: write_export(path, MODEL, path, out),
        "pretrained": lambda: write_pretrained(PretrainedParams(**given, layout="reference"), out),
        "import": lambda: import_model("some/model", COMMIT, path.name, heads=2),
        "command": lambda: cli.invoke(
            app, ["verify", str(path), str(path)], catch_exceptions=False
        ),
    }


@pytest.mark.parametrize("as_torch", [False, True], ids=["pickle", "torch"])
def test_a_pickle_in_the_place_of_weights_is_refused(
    tmp_path: Path, as_torch: bool, hub: Hub
) -> None:
    path, mark = tmp_path / "model.safetensors", tmp_path / "owned"
    if as_torch:
        torch.save(Malicious(mark), path)
    else:
        path.write_bytes(pickle.dumps(Malicious(mark)))
    hub.add("some/model", "model.safetensors", path.read_bytes())
    for name, call in weights_readers(path).items():
        with pytest.raises((UserError, ValueError), match=r"safetensors|header|[Ii]ncomplete"):
            call()
            pytest.fail(name)
        assert not mark.exists(), name
    bad = path.rename(tmp_path / "model.pt")
    torch.load(bad, weights_only=False) if as_torch else pickle.loads(bad.read_bytes())
    assert mark.exists()  # the attack works if the file is unpickled


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf/hub"))
        yield hub


@given(st.text(max_size=30))
def test_a_name_that_the_config_allows_is_a_word_and_no_formula_or_path(text: str) -> None:
    try:
        name: str = TypeAdapter(Name).validate_python(text)
    except ValidationError:
        return
    assert shlex.quote(name) == name
    assert name[0] not in "=+-@.\t\r"
    assert Path(name).name == name


@pytest.mark.parametrize(
    "text", ["=1+1", "+x", "-rf", "@x", "../x", "a/b", "a b", "$(id)", "a;b", "a\n", "ü", "'", ""]
)
def test_what_a_shell_a_spreadsheet_or_a_path_would_read_is_no_name(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(text)


FOLDERS = st.text(
    st.sampled_from("ab/ .'\"$()`;&|<>\\*?[]!#~\n\t{}=-é\x1b") | st.characters(), min_size=1
)


@given(FOLDERS)
def test_a_folder_that_the_config_allows_is_one_word_to_a_shell(text: str) -> None:
    """As a rule quotes it, the folder is exactly one word of the shell command."""
    try:
        results = parse_study({**STUDY, "results": text}).config.results
    except UserError as error:
        assert "\n  results: " in str(error)
        return
    assert results.isprintable()
    command = snakemake_format("noiseband x --out {out:q}/logs 2> {out:q}", out=results)
    assert shlex.split(command)[3:] == [f"{results}/logs", "2>", results]


@pytest.mark.parametrize("text", ["", " ", "a\nb", "{run}", "a}", "\x1b[2J", "\u202ex"])
def test_what_is_no_folder_for_results_is_told(text: str) -> None:
    with pytest.raises(UserError, match=r"results: .*(folder|wildcard)") as caught:
        parse_study({**STUDY, "results": text})
    assert str(caught.value).replace("\n", "").isprintable()


@given(st.text())
def test_no_character_acts_on_a_terminal(text: str) -> None:
    assert one_line(text).isprintable()
    assert on_a_terminal(text).replace("\n", "").isprintable()
    if text.isprintable():
        assert on_a_terminal(text) == text


def test_an_error_that_quotes_an_escape_sequence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        end("the endpoint says \x1b]0;owned\x07\x1b[2J and \u202e")
    said = capsys.readouterr().err
    assert said == "noiseband: the endpoint says [U+001B]]0;owned[U+0007][U+001B][2J and [U+202E]\n"


def test_a_tensor_s_name_cannot_write_to_a_terminal(tmp_path: Path) -> None:
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for value, file in enumerate(files):
        save_file({"x\x1b]0;owned\x07\x1b[2J": torch.full((2,), float(value))}, file)
    done = CliRunner().invoke(app, ["verify", *map(str, files)])
    assert done.exit_code == 1
    assert "different: x[U+001B]]0;owned[U+0007][U+001B][2J" in done.stdout
    assert done.stdout.replace("\n", "").isprintable()


SENTINEL = "s3ntinel0f4secret"
URL = {"kind": "url", "sha256": "0" * 64}
OPENAI = {"kind": "openai", "base_url": "https://x.org/v1", "model": "m"}
LOGS = "in a URL would end up in logs; download the file yourself"
PLAIN = "judge.base_url: must not contain a user, key or query"


def rows_at(url: str) -> dict[str, Any]:
    return {"finetuning": {"instructions": {"a": {**URL, "url": url}}}}


WRITTEN: dict[str, tuple[dict[str, Any], str]] = {
    "a key in the judge": (
        {"judge": {**OPENAI, "api_key": SENTINEL}}, "judge.api_key: unknown key"),
    "a key for its variable": (
        {"judge": {**OPENAI, "api_key_env": f"sk-{SENTINEL}"}}, "judge.api_key_env: "),
    "a key in its options": (
        {"judge": {**OPENAI, "options": {"api_key": SENTINEL}}}, "api_key is not allowed in"),
    "a password in its address": (
        {"judge": {**OPENAI, "base_url": f"https://a:{SENTINEL}@x/v1"}}, PLAIN),
    "a key in its address": (
        {"judge": {**OPENAI, "base_url": f"https://x/v1?key={SENTINEL}"}}, PLAIN),
    "a key of its own": ({"OPENAI_API_KEY": SENTINEL}, "OPENAI_API_KEY: unknown key"),
    "a token in an address": (
        rows_at(f"https://x.org/a.json?access_token={SENTINEL}"), f"access_token {LOGS}"),
    "a password in an address": (
        rows_at(f"https://me:{SENTINEL}@x.org/a.json"), f"a password {LOGS}"),
    "a password in what is no address": (
        rows_at(f"http://[me:{SENTINEL}@x/a.json"), "not a URL; write https://host/path"),
    "a password in what is no address of a judge": (
        {"judge": {**OPENAI, "base_url": f"https://[a:{SENTINEL}@x/v1"}},
        "judge.base_url: not a URL; write https://host/path"),
    "a password in another address of a judge": (
        {"judge": {**OPENAI, "base_url": f"a:{SENTINEL}@x/v1"}},
        "judge.base_url: not a URL; write one such as"),
    "a signed address": (
        rows_at(f"https://x.org/a.json?X-Amz-Signature={SENTINEL}"), f"Amz-Signature {LOGS}"),
}  # fmt: skip


@pytest.mark.parametrize(("section", "said"), WRITTEN.values(), ids=WRITTEN.keys())
def test_a_key_in_the_config_is_refused_and_not_shown(section: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_study({**STUDY, **section})
    assert said in str(caught.value)
    assert SENTINEL not in str(caught.value)


def test_the_config_has_no_other_key_whose_value_is_hidden() -> None:
    models = StudyConfig.model_json_schema()["$defs"].values()
    keys = {key for model in models for key in model.get("properties", {})}
    assert {key for key in keys if SECRET.search(key)} == {"api_key_env", "start_token"}
