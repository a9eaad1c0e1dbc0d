#!/usr/bin/python3
"""Plants one bug after the other into a core, builds the simulation with it, and sees that it is
caught: a simulation that finds nothing proves nothing. planted_seeds.txt records the seed that
did; where the schedules have changed since, so that it does not any more, another is looked for.

    planted.py BUILD_FOLDER            the test
    planted.py BUILD_FOLDER --record   looks for all seeds anew, and writes them down
"""

import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SEEDS = HERE / "planted_seeds.txt"
SCHEDULES = 20000  # to look through for a seed

# name: (file, what stands there, what the bug makes of it)
BUGS = {
    "no epoch check": (
        "proto/stream.c",
        "    bool restarted = message->epoch_ms > stream->epoch_ms;\n    if (restarted)",
        "    bool restarted = message->epoch_ms > stream->epoch_ms && !stream->epoch_ms;\n"
        "    if (restarted)",
    ),
    "counters applied as increments": (
        "services/sampler/tally.c",
        "    uint64_t joins = growth(share->joins, pair->joins);",
        "    uint64_t joins = growth(share->joins, pair->joins) > 0;",
    ),
    "no gap check of events": (
        "proto/stream.c",
        "    *gap = sequence != shard->sequence + 1;",
        "    *gap = false;",
    ),
    "no gap check of heartbeats": (
        "proto/stream.c",
        "    if (shard->announced > shard->sequence)\n        lose(shard);",
        "",
    ),
    "no sweep of what an answer leaves out": (
        "proto/reader.c",
        "    if (verdict == STREAM_SWEEP)",
        "    if (verdict == STREAM_SWEEP && !node)",
    ),
    "an answer that lost states counts as whole": (
        "proto/stream.c",
        "                 shard->check == check && sequence <= shard->sequence;",
        "                 shard->check >> 32 == check >> 32 && sequence <= shard->sequence;",
    ),
    "a restart keeps the former viewers": (
        "proto/reader.c",
        "    if (!first)\n        drop_figures(reader, node);",
        "",
    ),
    "silence is not noticed": (
        "proto/reader.c",
        "    if (silent_ms > reader->options.node_timeout_ms) {",
        "    if (silent_ms > 100 * reader->options.node_timeout_ms) {",
    ),
    "a lost subscription is not made again": (
        "proto/reader.h",
        "#define READER_RESUBSCRIBE 2",
        "#define READER_RESUBSCRIBE 1000000",
    ),
    "renewals are forgotten during a node's grace": (
        "proto/reader.c",
        "want_renewal(struct node *node, unsigned shard)\n{",
        "want_renewal(struct node *node, unsigned shard)\n{\n    if (node->renew_ms)\n        return;",
    ),
    "a minute's changes are counted twice": (
        "services/sampler/window.c",
        "    record->joins = cut((uint64_t)record->joins + joins);",
        "    record->joins = cut((uint64_t)record->joins + 2 * joins);",
    ),
    "samples between changes are not taken": (
        "services/sampler/window.c",
        "    settle_record(window, record);\n    catch_up(record, &window->current);\n",
        "    settle_record(window, record);\n",
    ),
    "the exact peak is the last count": (
        "services/sampler/window.c",
        "    record->exact_max = most(record->exact_max, record->count);",
        "    record->exact_max = record->count;",
    ),
    "a batch that a store cannot take is given up": (
        "services/sampler/outbox.c",
        "    if (code != ACK_OK && code != ACK_INVALID) {",
        "    if (code != ACK_OK && code != ACK_INVALID && code != ACK_UNAVAILABLE) {",
    ),
    "the latest snapshot wins, not the fuller": (
        "proto/snapshot.c",
        "        return a->sample_count > b->sample_count;",
        "        return true;",
    ),
    "a gateway follows a sampler that is silent": (
        "services/gateway/follow.c",
        "        if (!*sampler->node || now_ms - sampler->heard_ms < follow->silence_ms)",
        "        if (!*sampler->node || now_ms - sampler->heard_ms < 100 * follow->silence_ms)",
    ),
    "viewers elsewhere are the sampler's whole count": (
        "services/gateway/follow.c",
        "    set_others(follow, auction, message->count > own ? message->count - own : 0);",
        "    set_others(follow, auction, message->count + 0 * own);",
    ),
    "leaves do not advance the sequence": (
        "services/gateway/event_source.c",
        "    message->sequences[auction->shard]++;",
        "    message->sequences[auction->shard] += change == CHANGE_JOIN;",
    ),
    "a count does not always advance the sequence": (
        "services/sampler/count_source.c",
        "        source->sequences[shard]++;",
        "        source->sequences[shard] += source->sequences[shard] % 7 != 3;",
    ),
    "what is noticed after a minute's end does not count": (
        "services/sampler/verdict.c",
        "    batch->doubted |= !batch->sound;",
        "    (void)batch;",
    ),
    "snapshots do not wait for the gateways' word": (
        "services/sampler/verdict.c",
        "        batch->sound = sound_ms > batch->ended_ms;",
        "        batch->sound = sound_ms > 0;",
    ),
    "an auction that comes back begins at nothing": (
        "services/gateway/audience.c",
        "        audience->floors[auction->shard] = auction->joins;",
        "        audience->floors[auction->shard] = 0;",
    ),
    "a complete snapshot is no fuller": (
        "proto/snapshot.c",
        "    if (a_complete != b_complete)\n        return a_complete;",
        "    (void)a_complete, (void)b_complete;",
    ),
    "a sampler that starts again is followed on": (
        "services/gateway/follow.c",
        "    lose(follow, sampler, now_ms, now_ms + follow->silence_ms);\n    return FOLLOW_TAKEN;",
        "    return FOLLOW_TAKEN;",
    ),
    "an answer says one state too many": (
        "services/gateway/state_answer.c",
        "        fill(message, CHANGE_END, answer->shard, answer->check, 0);",
        "        fill(message, CHANGE_END, answer->shard, answer->check + 1, 0);",
    ),
}


def read_seeds():
    lines = (line.split(" ", 1) for line in SEEDS.read_text().splitlines() if line)
    return {name: seed for seed, name in lines if not seed.startswith("#")}


def compile_commands(build):
    """{source relative to the root: its command's words} of what the simulation is made of."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        words = shlex.split(entry["command"])
        del words[: words[0].endswith("ccache")]  # which would stand before the linker, too
        found.setdefault(path.relative_to(ROOT).as_posix() if ROOT in path.parents else "", words)
    return found


def compile_file(build, commands, source, place, extra):
    """Compiles source with its own command but for the output, and `extra` looked at first."""
    words = list(commands[source.as_posix()])
    words[words.index("-o") + 1] = str(place)
    for gone in ("-MQ", "-MF"):
        at = words.index(gone)
        del words[at : at + 2]
    words.remove("-MD")
    words[words.index("-c") + 1] = str(extra / source)
    words[1:1] = ["-I", str((extra / source).parent), "-I", str(ROOT / source.parent)]
    subprocess.run(words, cwd=build, check=True)


def plant(build, folder, file, old, new):
    """The simulation with the bug in it. A header's bug reaches the files that include it."""
    text = (ROOT / file).read_text()
    if text.count(old) != 1:
        raise SystemExit(f"{file}: what the bug replaces stands there {text.count(old)} times")
    file = pathlib.Path(file)
    commands = compile_commands(build)
    sources = [file]
    if file.suffix == ".h":
        sources = [pathlib.Path("tests/simulation/sampler_node.c")]
    for source in sources:
        (folder / source).parent.mkdir(parents=True, exist_ok=True)
        (folder / source).write_text((ROOT / source).read_text())
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text.replace(old, new))
    own = build / "tests/simulation/headcount-simulation.p"
    objects = {path.name: path for path in own.glob("*.o")}
    for source in sources:
        place = folder / f"{source.name}.o"
        if file.suffix == ".h":
            commands[source.as_posix()][1:1] = ["-I", str((folder / file).parent)]
        compile_file(build, commands, source, place, folder)
        objects[place.name] = place
    program = folder / "simulation"
    libraries = ["services/sampler/libheadcount-sampler-core.a"]
    libraries += ["services/gateway/libheadcount-gateway-core.a"]
    libraries += ["services/api/libheadcount-api-core.a"]
    libraries += ["proto/libheadcount-proto.a"] + [str(path) for path in build.glob("lib/*.a")]
    words = commands["tests/simulation/simulation.c"]
    flags = [word for word in words if word.startswith("-fsanitize") or word == "-pthread"]
    link = [words[0], *flags, "-o", program, *objects.values()]
    link += ["-Wl,--start-group", *[build / name for name in libraries], "-Wl,--end-group"]
    packages = ["pkg-config", "--libs", "msgpack", "jansson", "libuv", "libczmq", "libzmq"]
    packages += ["libsodium", "libmicrohttpd"]
    found = subprocess.run(packages, check=True, capture_output=True, text=True)
    subprocess.run([*link, *found.stdout.split(), "-lm"], cwd=build, check=True)
    return program


def run(program, *arguments):
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)


def is_caught(result):
    return result.returncode == 1 and " fails " in result.stdout


def read_seed(result):
    """The seed of the schedule that failed, or None."""
    words = result.stdout.split(" fails ")[0].split() if is_caught(result) else []
    return words[words.index("seed") + 1] if words else None


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    record = "--record" in sys.argv[2:]
    seeds = {} if record else read_seeds()
    missed = []
    for name, (file, old, new) in BUGS.items():
        with tempfile.TemporaryDirectory() as folder:
            program = plant(build, pathlib.Path(folder), file, old, new)
            result = run(program, "--check", seeds[name]) if name in seeds else None
            if result is None or not is_caught(result):
                result = run(program, "--schedules", SCHEDULES, "--seed", 1)
                seeds[name] = read_seed(result)
            caught = is_caught(result)
        lines = [line for line in result.stdout.splitlines() if " fails " in line]
        said = lines[0].split(" fails ")[1] if lines else result.stderr[-300:]
        print(f"{'caught' if caught else 'MISSED'}: {name} (seed {seeds[name]}): {said}", flush=True)
        missed += [] if caught else [name]
    if record:
        SEEDS.write_text("".join(f"{seed} {name}\n" for name, seed in seeds.items() if seed))
    print(f"{len(BUGS) - len(missed)} of {len(BUGS)} planted bugs caught")
    sys.exit(bool(missed))


main()
