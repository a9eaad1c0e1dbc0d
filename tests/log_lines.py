"""A log line of a program, taken apart."""

import dataclasses
import json
import re

_LINE = re.compile(r"^\S+Z (debug|info|warn|error) +(\S+) (\S+): (.*)$")
_FIELD = re.compile(r' (\w+)=("(?:[^"\\]|\\.)*"|\S*)')


@dataclasses.dataclass
class LogLine:
    level: str
    id: str
    text: str
    fields: dict


def parse_log_line(line):
    """A LogLine, or None when the line is not one of the log's (a sanitizer's, say)."""
    if line.startswith("{"):
        fields = json.loads(line)
        level, name, text = (fields.pop(key) for key in ("level", "id", "text"))
        return LogLine(level, name, text, fields)
    match = _LINE.match(line)
    if not match:
        return None
    level, _, name, rest = match.groups()
    fields = {key: value.strip('"') for key, value in _FIELD.findall(rest)}
    return LogLine(level, name, _FIELD.sub("", rest), fields)
