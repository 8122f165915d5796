"""The types of settings whose values are checked."""

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from etl.settings.checks import (
    check_base_url,
    check_header_value,
    check_hmac_key,
    check_identifier,
    check_page_url,
    check_proxy_url,
    check_secret,
    check_secret_header,
    check_target_url,
    check_time_zone,
    check_variable_name,
    check_webhook_url,
)

Identifier = Annotated[str, AfterValidator(check_identifier)]
BaseUrl = Annotated[str, AfterValidator(check_base_url)]
TimeZone = Annotated[str, AfterValidator(check_time_zone)]
TargetUrl = Annotated[str, AfterValidator(check_target_url)]
HeaderValue = Annotated[str, AfterValidator(check_header_value)]
Secret = Annotated[SecretStr, AfterValidator(check_secret)]
PageUrl = Annotated[str, AfterValidator(check_page_url)]
WebhookUrl = Annotated[Secret, AfterValidator(check_webhook_url)]
VariableName = Annotated[str, AfterValidator(check_variable_name)]
ProxyUrl = Annotated[Secret, AfterValidator(check_proxy_url)]
HmacKey = Annotated[Secret, AfterValidator(check_hmac_key)]
SecretHeader = Annotated[Secret, AfterValidator(check_secret_header)]
