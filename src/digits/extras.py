"""List the optional packages, and make an error message for a missing one.

`pip install digits` installs only the packages that are needed to read pictures. Training, serving and tuning
need more packages. An "extra" is a named list of such packages in pyproject.toml: the extra "train" is
installed with `pip install 'digits[train]'`.
"""

import importlib.util

from digits.errors import MissingPackageError

EXTRAS = {  # name of the package in `import` -> the extra that installs it
    "torch": "train",
    "matplotlib": "train",
    "tensorboard": "tensorboard",
    "fastapi": "serve",
    "starlette": "serve",
    "pydantic": "serve",
    "uvicorn": "serve",
    "httptools": "serve",
    "prometheus_client": "serve",
    "optuna": "tune",
    "sqlalchemy": "tune",
}


def missing_package(error: ModuleNotFoundError, what: str) -> MissingPackageError | None:
    """Return an error that names the pip command for a missing optional package.

    Args:
        error: the exception of the failed import.
        what: the command or function that needs the package, such as "digits tune".
    Returns:
        An error to raise instead of `error`. None if the import failed for another reason, such as a damaged
        package or a mistake in our own code.
    """
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS or importlib.util.find_spec(package) is not None:
        return None
    extra = "tune" if what.endswith("tune") else EXTRAS[package]  # it also has what training needs
    return MissingPackageError(
        f"{what} needs the package {package}, which is not installed; "
        f"install it with: pip install 'digits[{extra}]'"
    )
