"""Import Matplotlib, whatever its settings say. Only this module imports it.

Every Jupyter kernel sets MPLBACKEND, and its child processes inherit it: `!digits train` in a notebook runs
with MPLBACKEND=module://matplotlib_inline.backend_inline. Where that package is not installed, or another
setting is wrong, importing Matplotlib fails. Our figures are drawn by its own renderer Agg and use no
settings, so then they are ignored.
"""

import os
import sys

from digits.errors import RunError


def _import_matplotlib() -> None:
    """Import Matplotlib; if its settings prevent that, without them.

    Raises:
        ModuleNotFoundError: if it is not installed.
        RunError: if a file named matplotlibrc in the working directory prevents it.
    """
    before = set(sys.modules)
    try:
        import matplotlib  # noqa: F401  # only its effect matters
    except ModuleNotFoundError:
        raise
    except Exception:  # ValueError, UnicodeDecodeError, OSError: whatever a wrong setting leads to
        for name in set(sys.modules) - before:  # The parts that were imported do not fit a second import.
            if name.startswith("matplotlib."):
                del sys.modules[name]
        _import_without_settings()


def _import_without_settings() -> None:
    """Import Matplotlib without MPLBACKEND and without the user's file matplotlibrc.

    Raises:
        RunError: see `_import_matplotlib`.
    """
    settings = {name: os.environ.pop(name, None) for name in ("MPLBACKEND", "MATPLOTLIBRC")}
    os.environ["MATPLOTLIBRC"] = os.devnull
    try:
        import matplotlib  # noqa: F401
    except Exception as error:  # A matplotlibrc in the working directory comes before $MATPLOTLIBRC.
        raise RunError(
            f"Matplotlib cannot be imported ({type(error).__name__}: {error}); "
            "correct or move the file matplotlibrc in this folder, or draw nothing (--no-plots)"
        ) from error
    finally:
        del os.environ["MATPLOTLIBRC"]
        os.environ.update({name: value for name, value in settings.items() if value is not None})


_import_matplotlib()

# "X as X" exports a name.
from matplotlib.axes import Axes as Axes  # noqa: E402  # after the lines above
from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvasAgg  # noqa: E402
from matplotlib.colors import LinearSegmentedColormap as LinearSegmentedColormap  # noqa: E402
from matplotlib.figure import Figure as Figure  # noqa: E402
from matplotlib.patches import Circle as Circle  # noqa: E402
from matplotlib.patches import Rectangle as Rectangle  # noqa: E402
from matplotlib.ticker import FixedLocator as FixedLocator  # noqa: E402
from matplotlib.ticker import FuncFormatter as FuncFormatter  # noqa: E402
from matplotlib.ticker import MaxNLocator as MaxNLocator  # noqa: E402
