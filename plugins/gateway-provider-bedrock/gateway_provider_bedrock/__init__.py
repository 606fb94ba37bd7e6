"""Amazon Bedrock as a host: the Messages JSON through InvokeModel, or translated for Converse."""

from gateway import Provider, Rows, hookimpl, rows
from gateway_provider_bedrock.provider import Bedrock, Settings

__all__ = ["Bedrock", "BedrockPlugin", "Settings"]


class BedrockPlugin:
    """Brings the provider, and what its models cost and take."""

    @hookimpl
    def register_provider(self) -> Provider:
        """Amazon Bedrock."""
        return Bedrock()

    @hookimpl
    def register_catalog(self) -> Rows:
        """Models and base rates, fields and betas by API."""
        return rows(__package__)
