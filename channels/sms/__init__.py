"""SMS channel, over Twilio. Only its settings exist in this version."""
