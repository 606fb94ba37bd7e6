"""The Converse API of Bedrock, in and out of the Messages dialect: one request, one answer, one stream. Pure.

Sources: the service model of bedrock-runtime in botocore 1.44.8; Bedrock user guide, "Converse".
"""

from gateway_provider_bedrock.converse_answer import message
from gateway_provider_bedrock.converse_request import encode
from gateway_provider_bedrock.converse_stream import Stream

__all__ = ["Stream", "encode", "message"]
