"""What this environment tells its processes: everything comes from environment variables."""

import os


class Missing(Exception):
    """An environment variable that this process cannot do without."""


def required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise Missing(f"the environment variable {name} is not set")
    return value


def environment() -> str:
    return os.environ.get("APP_ENVIRONMENT", "development")


def temporal_namespace() -> str:
    return os.environ.get("TEMPORAL_NAMESPACE", "default")
