"""Validation of stored events: an adapter for all known types, and the schema version of each type."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from agents.core.events import KnownEvent

EVENT_ADAPTER: TypeAdapter[KnownEvent] = TypeAdapter(Annotated[KnownEvent, Field(discriminator="type")])
EVENT_SCHEMA_VERSIONS: dict[str, int] = {
    event_class.model_fields["type"].default: event_class.model_fields["v"].default
    for event_class in KnownEvent.__args__
}
