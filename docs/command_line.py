"""The reference of the command line, written from the commands themselves."""

from __future__ import annotations

from typing import Any

from typer.main import get_command

from bayesgmm.cli.app import app

_HEAD = """# Command line

Every command, with its arguments and options, as `bayesgmm COMMAND --help` prints them. How they
go together: [From the command line](../../howto/command-line.md).
"""


def reference() -> str:
    """The page, in Markdown."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    return "\n".join([_HEAD, *(_section(name, command) for name, command in commands.items())])


def _section(name: str, command: Any) -> str:
    lines = [f"## bayesgmm {name}", "", command.help, ""]
    lines += ["| argument or option | default | |", "|---|---|---|"]
    lines += [_row(parameter) for parameter in command.params if parameter.name != "help"]
    _, _, examples = command.epilog.partition(":")
    lines += ["", "```", *filter(None, examples.splitlines()), "```", ""]
    return "\n".join(lines)


def _row(parameter: Any) -> str:
    """A parameter as a row of the table."""
    options = [*parameter.opts, *parameter.secondary_opts]
    if parameter.param_type_name == "argument":
        names, default = f"`{parameter.metavar}`", "required" if parameter.required else ""
    else:
        names, default = ", ".join(f"`{name}`" for name in options), _default(parameter)
    return f"| {names} | {default} | {_plain(parameter.help or '')} |"


def _default(parameter: Any) -> str:
    value = parameter.default
    if value is None or value == "":
        return "required" if parameter.required else ""
    if isinstance(value, bool):
        choice = parameter.opts if value else parameter.secondary_opts
        return f"`{choice[0]}`" if choice else ""
    return f"`{value}`"


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
