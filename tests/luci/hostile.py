"""Puts markup into each string of the JSON on stdin: what a page would run if it took data for HTML."""
import json
import sys

MARKUP = '<img src=x onerror="console.error(1)"><b>'


def spoil(value):
    if isinstance(value, dict):
        return {name: spoil(member) for name, member in value.items()}
    if isinstance(value, list):
        return [spoil(member) for member in value]
    return value + MARKUP if isinstance(value, str) else value


print(json.dumps(spoil(json.load(sys.stdin))))
