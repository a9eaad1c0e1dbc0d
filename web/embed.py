#!/usr/bin/env python3
"""Turns files into a C table, so that a program needs none of them at run time.

embed.py SYMBOL OUTPUT.c DEPFILE NAME=PATH…
A PATH that is a folder stands for every file in it, named NAME/<file>. Each entry holds the
name, content type, a strong ETag (of the bytes) and the bytes. See embedded.h.
"""
import hashlib
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
COLUMNS = 20


def find_files(pairs):
    """Yields (name, path) of every file, and notes folders too: a new file changes its folder."""
    files, watched = [], []
    for pair in pairs:
        name, path = pair.split("=", 1)
        if not os.path.isdir(path):
            files.append((name, path))
            continue
        watched.append(path)
        for entry in os.listdir(path):
            if not entry.startswith(".") and os.path.isfile(os.path.join(path, entry)):
                files.append((f"{name}/{entry}", os.path.join(path, entry)))
    return sorted(files), watched + [path for _, path in files]


def render_file(index, name, path):
    with open(path, "rb") as file:
        data = file.read()
    kind = TYPES.get(os.path.splitext(name)[1])
    if kind is None:
        sys.exit(f"embed.py: {path}: no content type for this ending; known: {' '.join(TYPES)}")
    lines = [",".join(map(str, data[at:at + COLUMNS])) for at in range(0, len(data), COLUMNS)]
    body = f"static const unsigned char bytes_{index}[] = {{\n" + ",\n".join(lines or ["0"]) + "};\n"
    etag = hashlib.sha256(data).hexdigest()[:32]
    row = f'    {{"{name}", "{kind}", "\\"{etag}\\"", bytes_{index}, {len(data)}}},\n'
    return body, row


def main():
    symbol, output, depfile, *pairs = sys.argv[1:]
    files, watched = find_files(pairs)
    rendered = [render_file(index, *file) for index, file in enumerate(files)]
    with open(output, "w", encoding="ascii") as file:
        file.write('#include "embedded.h"\n\n')
        file.writelines(body for body, _ in rendered)
        file.write(f"\nstatic const struct embedded_file files[] = {{\n")
        file.writelines(row for _, row in rendered)
        file.write(f"}};\n\nconst struct embedded_files {symbol} = {{files, {len(files)}}};\n")
    with open(depfile, "w", encoding="utf-8") as file:
        file.write(f"{output}: " + " ".join(path.replace(" ", "\\ ") for path in watched) + "\n")


main()
