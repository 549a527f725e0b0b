"""Optional packages, and the message that names the pip command for a missing one.

`pip install digits` installs what reading pictures needs. Training, serving and tuning need more packages.
The command line and `digits/__init__.py` use `missing_package` to report a failed import.
"""

import importlib.util

from digits.errors import MissingPackageError

EXTRAS = {  # imported package -> the extra in pyproject.toml that installs it
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
    """Return the error to raise instead of `error` if an optional package is not installed.

    `what` is the command or function that needs the package, such as "digits tune". Returns None for any
    other failed import, such as a damaged installation of an optional package or a mistake in our own code.
    """
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS or importlib.util.find_spec(package) is not None:
        return None
    extra = "tune" if what.endswith("tune") else EXTRAS[package]  # tuning also trains; its extra brings both
    return MissingPackageError(
        f"{what} needs the package {package}, which is not installed; "
        f"install it with: pip install 'digits[{extra}]'"
    )
