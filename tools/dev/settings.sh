#!/bin/sh
# settings.sh BUILD-FOLDER: prints docs/settings.md from the programs' own tables.
set -eu
cat <<'END'
# Settings

Made by `tools/dev/settings.sh` from each program's `--help-markdown`. Every setting is read from the environment
variable of this name or from the flag of the same name (`LOG_LEVEL`, `--log-level`); the flag wins. An empty variable
counts as not given; where a setting may be empty ("Empty: none"), give an empty flag (`--spool-path=`). A secret is
never taken from an argument: it is read from the environment, or from the first line of the file that
`NAME_FILE` (or `--name-file`) names, a regular file (no pipe). Where both are given, the file counts.

END
for program in services/gateway/headcount-gateway services/sampler/headcount-sampler \
    services/store/headcount-store services/api/headcount-api tools/headcount-tap \
    tools/headcount-keys; do
    "$1/$program" --help-markdown
done
for subcommand in record replay top; do
    "$1/tools/headcount-tap" "$subcommand" --help-markdown
done
