"""The names that the command line needs before it reads the settings, in a module that imports fast."""

from typing import Literal

PREFIX = "TASK_AUDIT_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
SECRETS_DIR_VARIABLE = f"{PREFIX}SECRETS_DIR"

LogFormat = Literal["auto", "console", "json"]
