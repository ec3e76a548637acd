"""Stage 3, Execute: tools, the ledger and the isolated workspaces they act on."""
