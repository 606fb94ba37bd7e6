"""The endpoint: in which region a deployment is, and at which address.

Source: botocore's endpoint data; AWS SDK reference guide, "Service-specific endpoints".
"""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError
from botocore.loaders import create_loader
from botocore.regions import EndpointResolver

from gateway import ConfigError, Deployment
from gateway_provider_bedrock.target import Target

SERVICE = "bedrock-runtime"

REGIONS = ("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")
"""Variables that name a region, the first one that is set."""

ADDRESSES = ("AWS_BEDROCK_RUNTIME_ENDPOINT", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME")
"""Variables that name a private endpoint, the first one that is set."""


class Endpoints:
    """Answers for one process; what has to be read from files is read once."""

    def __init__(self) -> None:
        self._regions: dict[str | None, str] = {}
        self._suffixes: dict[str, str] = {}

    def region(self, deployment: Deployment) -> str:
        """The region that signs: the deployment's word, else that of its ARN, the environment's, its profile's.

        Raises:
            ConfigError: nobody names one.
        """
        settings = deployment.settings
        own = Target.of(deployment.upstream).region if deployment.named else ""  # a client's ARN does not say where to
        region = settings["aws_region_name"] or own or _first(REGIONS) or self._profiles(settings["aws_profile_name"])
        if not region:
            raise ConfigError(f"it names no aws_region_name, and neither {', '.join(REGIONS)} nor its profile does.")
        return region

    def check(self, deployment: Deployment) -> str:
        """The region, once it is sure that there is one.

        Raises:
            ConfigError: nobody names one, or AWS does not have it.
        """
        region = self.region(deployment)
        if not self._partition(region) and not private(deployment.settings):
            raise ConfigError(f"aws_region_name: AWS has no region {region!r}.")
        return region

    def base(self, deployment: Deployment) -> str:
        """The address before ``/model``: a private endpoint with its path, else the region's public one.

        Raises:
            ConfigError: nobody names a region.
        """
        own = private(deployment.settings)
        if own:
            return own.rstrip("/").removesuffix("/model")
        region = self.region(deployment)
        return f"https://{SERVICE}.{region}.{self._suffix(region)}"

    def _profiles(self, profile: str | None) -> str:
        if profile not in self._regions:
            try:
                self._regions[profile] = boto3.Session(profile_name=profile).region_name or ""
            except BotoCoreError as error:
                raise ConfigError(f"its AWS profile cannot be used: {error}") from None
        return self._regions[profile]

    def _suffix(self, region: str) -> str:
        """The domain of the partition that the region belongs to."""
        if region not in self._suffixes:
            partition = self._partition(region) or "aws"
            self._suffixes[region] = str(self._resolver.get_partition_dns_suffix(partition))
        return self._suffixes[region]

    def _partition(self, region: str) -> str:
        """The partition, such as ``aws-us-gov``; empty for a region that AWS does not have."""
        try:
            return str(self._resolver.get_partition_for_region(region))
        except BotoCoreError:
            return ""

    @cached_property
    def _resolver(self) -> EndpointResolver:
        return EndpointResolver(create_loader().load_data("endpoints"))


def private(settings: Mapping[str, Any]) -> str:
    """The private endpoint that the deployment or the environment names; empty for the public one."""
    return str(settings["api_base"] or settings["aws_bedrock_runtime_endpoint"] or _first(ADDRESSES))


def _first(names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := os.environ.get(name, "").strip())), "")
