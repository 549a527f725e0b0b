"""Optional packages: which extra of the package installs each, said where one is missing.

`pip install digits` brings what reading pictures needs. Training, serving and tuning need more, and name
it when it is not there.
"""

from digits.errors import MissingPackageError

EXTRAS = {  # an imported package -> the extra of pyproject.toml that installs it
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
    """The error to show instead of `error`, raised while `what` was imported; None for our own bugs."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    return MissingPackageError(
        f"{what} needs the package {package}, which is not installed; "
        f"install it with: pip install 'digits[{EXTRAS[package]}]'"
    )
