"""How does a person's own code come in, without a fork?

By a dotted path, `package.module:Name`, wherever a plan names a part: a term of the loss, a network, a transform, a
normalisation, an optimiser, a schedule. The module is imported like any other, so it is installed or its folder is on
PYTHONPATH. Numbers that a plan gives to a part, own or not, are checked against the part's signature before it runs.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from autoseg.errors import PlanError
from autoseg.serialization import did_you_mean

REMEDY = "install it, or put its folder on PYTHONPATH"
BY_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def is_dotted(name: str) -> bool:
    """Whether a name is the path of a person's own part: `package.module:Name`."""
    return ":" in name


def find_component(path: str, *, where: str) -> Any:
    """Import what a dotted path names.

    Args:
        path: `package.module:Name`.
        where: the place of the plan that names it, for the error.

    Raises:
        PlanError: the path is malformed, its module is missing or fails, or has no such name.
    """
    module_name, _, name = path.partition(":")
    if not name.isidentifier() or not all(part.isidentifier() for part in module_name.split(".")):
        raise PlanError(f"{where}: {path}: is no dotted path; write package.module:Name.")
    module = _import(module_name, f"{where}: {path}")
    if not hasattr(module, name):
        public = [known for known in vars(module) if not known.startswith("_")]
        raise PlanError(f"{where}: {path}: there is no {name} in {module_name}.{did_you_mean(name, public)}")
    return getattr(module, name)


def _import(name: str, where: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name is not None and f"{name}.".startswith(f"{problem.name}."):
            raise PlanError(f"{where}: there is no module {problem.name}; {REMEDY}.") from None
        raise PlanError(f"{where}: the module needs {problem.name}, which is not there; {REMEDY}.") from problem
    except (Exception, SystemExit) as problem:
        first = (str(problem).splitlines() or [""])[0]
        raise PlanError(f"{where}: the module fails on import: {type(problem).__name__}: {first}") from problem


def check_parameters(
    part: Callable[..., Any],
    given: Mapping[str, Any],
    *,
    where: str,
    n_leading: int = 0,
    supplied: Collection[str] = (),
) -> None:
    """Hold the numbers that a plan gives to a part against the part's signature.

    Args:
        part: a function or a class.
        given: value by name, as the plan has them.
        where: their place in the plan, for the error.
        n_leading: arguments that autoseg passes by position, before all others.
        supplied: names of arguments that autoseg passes itself.

    Raises:
        PlanError: a name that the part does not know, one that it needs and does not get, or a value that is no number
            or no yes or no where the part declares a `float` or a `bool`.
    """
    try:
        declared = list(inspect.signature(part).parameters.values())[n_leading:]
    except ValueError:  # compiled code without a signature says itself what it does not like
        return
    known = {each.name: each for each in declared if each.kind in BY_KEYWORD and each.name not in supplied}
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in declared)
    if problems := list(_list_problems(known, given, takes_any)):
        raise PlanError(f"{where}: {' '.join(problems)}")


def _list_problems(known: Mapping[str, inspect.Parameter], given: Mapping[str, Any], takes_any: bool) -> Iterator[str]:
    for name, value in given.items():
        if name in known:
            yield from _list_misfits(known[name], value)
        elif not takes_any:
            yield f"{name} is not known.{did_you_mean(name, known) or ' There is nothing to set.'}"
    for name, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and name not in given:
            yield f"{name} is missing; add `{name}: ...`."


def _list_misfits(parameter: inspect.Parameter, value: Any) -> Iterator[str]:
    is_bool = isinstance(value, bool)
    if parameter.annotation in (float, "float") and (is_bool or not isinstance(value, int | float)):
        yield f"{parameter.name} is {value!r}, but must be a number."
    if parameter.annotation in (bool, "bool") and not is_bool:
        yield f"{parameter.name} is {value!r}, but must be true or false."
