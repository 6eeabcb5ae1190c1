"""SMS channel, over Twilio. Only its settings and its address format exist in this version."""

from channels.sms.config import SmsSettings


def build(_settings: SmsSettings) -> None:
    """Return no plugin: this version neither sends nor receives on this channel."""
