"""Validates docs/openapi.json as OpenAPI 3.1. Prints `passed` as its last line."""

import json
import pathlib

from openapi_spec_validator import OpenAPIV31SpecValidator, validate

PATH = pathlib.Path(__file__).parents[2] / "docs/openapi.json"

validate(json.loads(PATH.read_text(encoding="utf-8")), cls=OpenAPIV31SpecValidator)
print("passed")
