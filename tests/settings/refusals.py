"""What a configuration that is refused says."""

import pytest

from etl.errors import ConfigurationError
from etl.settings.load import load_configuration

CANARY = "CANARY-9c2e"


def refusal(*arguments):
    with pytest.raises(ConfigurationError) as refused:
        load_configuration(*arguments)
    message = str(refused.value)
    assert "\n" not in message
    assert CANARY not in message + repr(refused.value) + repr(refused.value.__context__)
    return message
