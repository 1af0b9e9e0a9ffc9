"""The lab in a notebook: objects that show themselves as widgets, and the magics.

    lab.teach("tickets")             the object shows itself as a widget where one can run
    %load_ext astermind_lab          the magics %elm and %%elm

Nothing here is imported before something is shown or a magic is run.
"""

from __future__ import annotations

from astermind_lab.notebook.showing import load_extension, register, unload_extension

__all__ = ["load_extension", "register", "unload_extension"]
