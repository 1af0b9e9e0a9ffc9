"""Which objects of the lab show themselves as widgets.

IPython is told their names, not the classes, so that neither the lab nor the widgets are imported
before there is something to show. What is shown holds the widget and the object's own HTML: a
notebook that was saved, exported or opened where no widgets run has the latter.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from astermind_lab.notebook.widget import Service, ServiceWidget

__all__ = ["WIDGETS", "load_extension", "register", "unload_extension", "widget_of"]

# The class of an object, and that of its widget.
WIDGETS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("astermind_lab.lab.teaching", "Teaching"): (
        "astermind_lab.notebook.teaching",
        "TeachingWidget",
    ),
    ("astermind_lab.lab.tuning", "Tuning"): ("astermind_lab.notebook.tuning", "TuningWidget"),
    ("astermind_lab.lab.exploring", "Exploring"): (
        "astermind_lab.notebook.exploring",
        "ExploringWidget",
    ),
}

_made: dict[int, ServiceWidget] = {}  # by id; a widget holds its object, so ids are not reused


def register(shell: InteractiveShell) -> None:
    """Let the objects named in ``WIDGETS`` show themselves in this shell as widgets."""
    if shell.display_formatter is None:
        return
    formatter = shell.display_formatter.mimebundle_formatter
    for (module, name), widget in WIDGETS.items():
        formatter.for_type_by_name(module, name, functools.partial(_show, *widget))


def load_extension(shell: InteractiveShell) -> None:
    """What ``%load_ext astermind_lab`` does: the widgets and the magics."""
    from astermind_lab.notebook.magics import ElmMagics

    register(shell)
    shell.register_magics(ElmMagics(shell))


def unload_extension(shell: InteractiveShell) -> None:
    """What ``%unload_ext astermind_lab`` does: the magics go and their lab is closed."""
    magics = shell.magics_manager.registry.pop("ElmMagics", None)
    for kind in shell.magics_manager.magics.values():
        kind.pop("elm", None)
    if magics is not None:
        magics.close()


def widget_of(service: Service, module: str, name: str) -> ServiceWidget:
    """The widget of an object; the same one however often the object is shown."""
    widget = _made.get(id(service))
    if widget is None:
        made: ServiceWidget = getattr(importlib.import_module(module), name)(service)
        widget = _made[id(service)] = made
    return widget


def _show(module: str, name: str, service: Service) -> dict[str, Any]:
    widget = widget_of(service, module, name)
    widget.refresh()
    return widget.bundle()
