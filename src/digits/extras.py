"""List the optional packages, and make an error for a missing one.

`pip install digits` installs only the packages for reading pictures. Training, serving and tuning need more
packages. An "extra" is a named list of such packages in pyproject.toml. For example,
`pip install 'digits[train]'` installs the extra "train".
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
    """Return an error with the pip command for a missing package.

    Args:
        error: the exception of the failed import.
        what: the command or function that needs the package, such as "digits tune".
    Returns:
        The error to raise instead. None if no optional package is missing.
    """
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS or importlib.util.find_spec(package) is not None:
        return None
    extra = "tune" if what.endswith("tune") else EXTRAS[package]  # it also has what training needs
    return MissingPackageError(
        f"{what} needs the package {package}, which is not installed; "
        f"install it with: pip install 'digits[{extra}]'"
    )
