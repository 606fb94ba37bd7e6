"""The ledger: one entry per attempt, written off the client's path, read back to the last 10^-12 of a dollar."""

from gateway_infra_ledger.plugin import LedgerPlugin

__all__ = ["LedgerPlugin"]
