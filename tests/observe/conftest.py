"""A webhook, and nights whose runs send messages to it."""

import pytest

from tests.webhooks import receiving


@pytest.fixture
def webhook():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def notified_night(night_of, webhook, patient_reports):
    """Open a night whose runs send messages to the webhook."""
    return lambda *databases, **settings: night_of(None, *databases, **{"notify__webhook_url": webhook.url} | settings)
