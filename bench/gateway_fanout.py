"""gateway_fanout.py [BUILD-FOLDER]: the gateway against what one would write instead, ws and Socket.IO
on Node.js: memory of an idle viewer, CPU of a join, and a room that everybody joins at once.

Server and crowd have a core each. Needs a release build (./dev build), cc, node and npm; takes a
minute or two. Prints a Markdown table, medians of three, and ratios to the gateway. The peers tell
everybody every change, as they are usually written; the gateway tells the newest count at most
every 50 ms, which is most of the difference.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
IDLE, ROOM, ROUNDS, LIMIT_SECONDS = 5000, 1000, 3, 60
TICK = os.sysconf("SC_CLK_TCK")


class Server:
    """One server process on core 0."""

    def __init__(self, name, command, path, mode):
        self.name, self.command, self.path, self.mode = name, command, path, mode

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", *(part.format(port=self.port) for part in self.command)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder,
        )  # fmt: skip
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.05)
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.split("VmRSS:")[1].split()[0])


def crowd(tool, server, count, rooms):
    """What a crowd saw, while it is held; then what the server used for it."""
    memory, cpu = server.resident_bytes(), server.cpu_seconds()
    process = subprocess.Popen(
        ["taskset", "-c", "1", tool, str(server.port), server.path, str(count), rooms,
         server.mode, str(LIMIT_SECONDS)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    seen = json.loads(process.stdout.readline())
    seen["cpu"] = server.cpu_seconds() - cpu
    seen["memory"] = (server.resident_bytes() - memory) / count
    process.communicate("")
    return seen


def measure(tool, server):
    with server:
        idle = crowd(tool, server, IDLE, "each")
    with server:
        room = crowd(tool, server, ROOM, "one")
    return {
        "KB a viewer": idle["memory"] / 1024,
        "CPU µs a join": idle["cpu"] / IDLE * 1e6,
        "room: s": room["seconds"],
        "room: frames": room["frames"],
        "room: CPU ms": room["cpu"] * 1000,
    }


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/release").resolve()
    Server.folder = work = pathlib.Path(tempfile.mkdtemp(prefix="headcount-bench-"))
    (work / "run").mkdir()
    tool = work / "crowd"
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", tool, HERE / "gateway_fanout.c"], check=True)
    for file in (HERE / "peers").iterdir():
        shutil.copy(file, work)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], check=True, cwd=work)
    gateway = [str(build / "services/gateway/headcount-gateway"), "--port", "{port}"]
    gateway += ["--admin-port", "0", "--sampler-endpoints", ""]
    query = "/socket.io/?EIO=4&transport=websocket&auction=a%d"
    servers = [
        Server("headcount-gateway", gateway, "/ws?auction=a%d", "plain"),
        Server("ws, every change", ["node", "ws_server.js", "{port}"], "/ws?auction=a%d", "plain"),
        Server("Socket.IO, every change", ["node", "socketio_server.js", "{port}"], query, "socketio"),
    ]
    rounds = [[measure(tool, server) for server in servers] for _ in range(ROUNDS)]
    names = list(rounds[0][0])
    print("| | " + " | ".join(names) + " |\n|" + " --- |" * (len(names) + 1))
    medians = [
        {name: statistics.median(one[i][name] for one in rounds) for name in names}
        for i in range(len(servers))
    ]
    for server, figures in zip(servers, medians):
        cells = (
            f"{figures[name]:.3g} (×{figures[name] / (medians[0][name] or 1):.3g})" for name in names
        )
        print(f"| {server.name} | " + " | ".join(cells) + " |")
    shutil.rmtree(work)


main()
