"""The whole tree tests with the tools that plugin authors get."""

pytest_plugins = ["gateway.testing"]
