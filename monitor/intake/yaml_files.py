"""Reading a small YAML file into a pydantic model, with errors that name file, line, fact and remedy.

YAML 1.2: ``NO`` stays Norway, and a key given twice is an error. Times and dates stay text until the model reads them.
"""

from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError

FILE_BYTES_MAX = 1_000_000
"""Longest file that is read."""

Model = TypeVar("Model", bound=BaseModel)


class YamlFileError(Exception):
    """The file is wrong; the message says where, what, why and what to do."""


class _TextTimes(RoundTripConstructor):
    """Leaves dates as text: a wrong one is then reported by the model, with its place."""


_TextTimes.add_constructor("tag:yaml.org,2002:timestamp", RoundTripConstructor.construct_scalar)


def read_model(path: Path, model: type[Model]) -> Model:
    """The file as an instance of ``model``.

    Raises:
        YamlFileError: The file is no YAML, or not what the model says.
        OSError: The file cannot be read.
    """
    return model_of(path.read_text("utf-8-sig"), model, str(path))


def model_of(text: str, model: type[Model], name: str) -> Model:
    """The text as an instance of ``model``; ``name`` is for messages.

    Raises:
        YamlFileError: The text is no YAML, or not what the model says.
    """
    if len(text) > FILE_BYTES_MAX:
        raise YamlFileError(f"{name}: the file has more than {FILE_BYTES_MAX} characters. Is it the right file?")
    yaml = YAML(typ="rt", pure=True)
    yaml.Constructor = _TextTimes
    try:
        document = yaml.load(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise YamlFileError(f"{name}:{line}: no valid YAML: {error.problem}. Correct the line.") from error
    try:
        return model.model_validate(_plain(document))
    except ValidationError as error:
        raise YamlFileError("\n".join(_messages(error, document, name))) from error


def _plain(node: Any) -> Any:
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    for kind in (bool, int, float):
        if isinstance(node, kind):
            return kind(node)
    return None if node is None else str(node)


def _messages(error: ValidationError, document: Any, name: str) -> list[str]:
    messages = []
    for problem in error.errors():
        path = ".".join(str(part) for part in problem["loc"]) or "the file"
        text = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
        if problem["type"] == "extra_forbidden":
            text = "there is no such setting; correct its name or remove it"
        messages.append(f"{name}:{_line_of(document, problem['loc'])}: {path}: {text}.")
    return messages


def _line_of(document: Any, path: tuple[int | str, ...]) -> int:
    node, line = document, 1
    for part in path:
        if isinstance(node, CommentedMap):
            key = next((key for key in node if str(key) == str(part)), None)
            if key is None:
                break
            line, node = node.lc.key(key)[0] + 1, node[key]
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line, node = node.lc.item(part)[0] + 1, node[part]
        else:
            break
    return line
