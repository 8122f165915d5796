"""The settings of the webhook, and of the messages about runs and nights to it."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from etl.settings.checks import require_at_most_one, wrong_keys
from etl.settings.section import Section
from etl.settings.types import PageUrl, Secret, WebhookUrl


class NotifySettings(Section):
    """Messages about runs to a webhook, and when a run sends one."""

    webhook_url: WebhookUrl | None = Field(default=None, examples=[""])
    """The address that messages are posted to, such as an incoming webhook of Slack. It is a secret, since its owner
    can post to the channel: a file is safer. Without it the job sends no messages."""
    webhook_url_file: Path | None = Field(default=None, examples=["/run/secrets/task-audit/webhook_url"])
    """A file that holds the address of the webhook."""
    format: Literal["json", "slack", "teams", "dingtalk", "wecom"] = "json"
    """json: the template below. slack, teams, dingtalk, wecom: what an incoming webhook of Slack, a workflow of Teams,
    or a robot of DingTalk or WeCom takes, and a message counts as delivered only if that service says so."""
    template: Path | None = Field(default=None, examples=["/etc/task-audit/notification.json"])
    """With format = "json": a JSON file to post, whose texts contain placeholders such as $text. Without it the job
    posts {"text": ...}, as Slack expects."""
    dingtalk_secret: Secret | None = Field(default=None, examples=[""])
    """With format = "dingtalk": the secret by which the robot checks signatures, which begins with SEC. A file is
    safer."""
    dingtalk_secret_file: Path | None = Field(default=None, examples=["/run/secrets/task-audit/dingtalk_secret"])
    """A file that holds this secret."""
    runbook_url: PageUrl | None = Field(default=None, examples=["https://wiki.example/task-audit/runbook/"])
    """The address of the page docs/runbook.md where your team reads it. Messages link to its sections."""
    digest: bool = False
    """Whether the last run of a night sends a digest of the night, also if all went well. `task-audit digest` sends it,
    too, at the hour of your schedule and also for a night without a run. A night has one digest."""
    exit_codes: tuple[Literal[65, 69, 70, 75, 77, 78], ...] = (69, 70, 75, 77, 78)
    """The exit codes of runs that send a message."""
    unanswered_above: float = Field(default=0.02, ge=0, le=1, allow_inf_nan=False)
    """The share of its tasks up to which a run may end without their answers, and send no message, if it had no other
    trouble. They stay pending, and a digest counts them."""
    dead_letters_above: int = Field(default=0, ge=0)
    """A run that adds more dead letters than this sends a message."""
    nothing_audited: bool = True
    """Whether a run that audits nothing although tasks are pending sends a message."""
    new_result_codes: bool = True
    """Whether a run that finds new result codes sends a message."""

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        require_at_most_one(self, "webhook_url", "webhook_url_file")
        require_at_most_one(self, "dingtalk_secret", "dingtalk_secret_file")
        return self

    @model_validator(mode="after")
    def _keys_fit_the_format(self) -> Self:
        allowed = {"json": "template", "dingtalk": "dingtalk_secret"}
        for form, key in allowed.items():
            given = [name for name in (key, f"{key}_file") if getattr(self, name, None) is not None]
            if given and self.format != form:
                raise wrong_keys(f"{given[0]}: only with format = {form!r}", keys=[*given, "format"])
        return self
