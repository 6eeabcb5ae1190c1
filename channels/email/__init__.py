"""Email channel. Only its settings and its address format exist in this version."""

from channels.email.config import EmailSettings


def build(_settings: EmailSettings) -> None:
    """Return no plugin: this version neither sends nor receives on this channel."""
