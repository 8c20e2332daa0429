"""Commands that are imported when they are asked for: ``aml --help`` and each worker start without the others."""

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, ClassVar, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group


@dataclass(frozen=True)
class Place:
    """Where a command is (``module:name`` of a function or group), its help in one line, and what follows the whole."""

    command: str
    help: str
    epilog: str | None = None


def loaded(name: str, place: Place) -> Any:
    """The command itself."""
    found = resolve_name(place.command)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None
        command: Any = get_group(found)
    else:
        alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        alone.command(name, epilog=place.epilog and resolve_name(place.epilog))(found)
        command = get_command(alone)
    command.name = name
    return command


class _Group(TyperGroup):
    places: ClassVar[dict[str, Place]]

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, loaded(name, self.places[name]) if name else command, rest


def group(places: dict[str, Place], *, name: str | None = None, help: str) -> typer.Typer:
    """A group of commands that shows their help without importing one of them."""
    made = typer.Typer(
        name=name,
        cls=cast(type[TyperGroup], type("LazyGroup", (_Group,), {"places": places})),
        help=help,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    for each, place in places.items():
        made.command(each, help=place.help)(_not_yet)
    return made


def _not_yet() -> None:
    """Stand where a command will be; ``resolve_command`` puts the command in this place."""
