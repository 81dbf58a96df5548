"""Failures that a user can mend: one line of cause, one of remedy, a documented exit code."""


class ColorprobeError(Exception):
    """A foreseen failure; `exit_code` is what the command returns."""

    exit_code = 1

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}\n{remedy}")
        self.cause = cause
        self.remedy = remedy


class ConfigError(ColorprobeError):
    """The command line or a YAML asks for something that does not exist or cannot be."""

    exit_code = 2


class DataError(ColorprobeError):
    """The images or labels cannot be used as they are."""

    exit_code = 3


class ResourceError(ColorprobeError):
    """Disk, memory or device do not suffice."""

    exit_code = 4


class IntegrityError(ColorprobeError):
    """A record on disk does not match its checksum, or a promise of the protocol was broken."""

    exit_code = 5
