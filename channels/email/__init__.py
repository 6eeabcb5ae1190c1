"""Email channel. Only its settings exist in this version."""
