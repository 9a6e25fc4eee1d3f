"""Serializers as JSON Schema (draft 7): for the AsyncAPI document, which drf-spectacular does not make."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from .shapes import Shape

Dict = dict[str, Any]

KINDS: Mapping[type[serializers.Field[Any, Any, Any, Any]], Dict] = {
    serializers.BooleanField: {"type": "boolean"},
    serializers.IntegerField: {"type": "integer"},
    serializers.FloatField: {"type": "number"},
    serializers.DateTimeField: {"type": "string", "format": "date-time"},
    serializers.URLField: {"type": "string", "format": "uri"},
    serializers.CharField: {"type": "string"},
}
"""The first of which a field is one. What is none of these may be anything."""

LIMITS = {"min_value": "minimum", "max_value": "maximum", "min_length": "minLength", "max_length": "maxLength"}


class Schemas:
    """Named schemas, in which each shape that another one holds finds its place."""

    def __init__(self) -> None:
        self.components: Dict = {}

    def of(self, serializer: serializers.Serializer[Any]) -> Dict:
        """The schema of an object with these fields."""
        fields = serializer.fields.items()
        schema: Dict = {
            "type": "object",
            "properties": {name: self._field(field) for name, field in fields},
            "required": [name for name, field in fields if field.required],
        }
        if isinstance(serializer, Shape):
            schema["examples"] = [serializer.example]
            if serializer.has_card:
                schema["additionalProperties"] = {}
        return schema

    def _reference(self, serializer: serializers.Serializer[Any]) -> Dict:
        name = type(serializer).__name__
        if name not in self.components:
            self.components[name] = {"description": type(serializer).__doc__, **self.of(serializer)}
        return {"$ref": f"#/components/schemas/{name}"}

    def _field(self, field: Any) -> Dict:
        schema = self._value(field)
        if field.allow_null:
            schema = {"anyOf": [schema, {"type": "null"}]}
        return schema if field.help_text is None else {**schema, "description": str(field.help_text)}

    def _value(self, field: Any) -> Dict:
        match field:
            case serializers.BaseSerializer() if hasattr(field, "child"):
                return {"type": "array", "items": self._reference(field.child)}
            case serializers.Serializer():
                return self._reference(field)
            case serializers.ListField():
                return {"type": "array", "items": self._field(field.child)}
            case serializers.DictField():
                return {"type": "object", "additionalProperties": self._field(field.child)}
            case serializers.ChoiceField():
                return {"enum": list(field.choices)}
        kind = next((schema for each, schema in KINDS.items() if isinstance(field, each)), {})
        limits = {name: getattr(field, limit, None) for limit, name in LIMITS.items()}
        return {
            **getattr(field, "json_schema", kind),
            **{name: each for name, each in limits.items() if each is not None},
        }
