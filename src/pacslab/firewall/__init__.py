"""Policy -> nftables: emit (the tree), text (the one printer)."""
