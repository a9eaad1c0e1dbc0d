"""The faults, one function each: it does it, undoes it where that belongs to it, and returns
(who it befell, when it was over, in monotonic seconds). A kill is over at once.

STORY is their order; who it befalls is drawn.
"""

import signal
import time

STOPPED_SECONDS = 6  # twice the silence after which a node counts as gone
CUT_SECONDS = 6
STORE_DOWN_SECONDS = 3
API_DOWN_SECONDS = 1
DRAIN_LIMIT_SECONDS = 20


def none(scene):
    return "", time.monotonic()


def kill(kind):
    def fault(scene):
        victim = scene.pick(kind)
        scene.cluster.kill(victim)
        scene.killed = victim
        return victim.name, time.monotonic()

    return fault


def restart(scene):
    scene.cluster.start(scene.killed)
    return scene.killed.name, time.monotonic()


def kill_store(scene):
    victim, over = kill("store")(scene)
    time.sleep(STORE_DOWN_SECONDS)
    restart(scene)
    return victim, over


def kill_api(scene):
    victim = scene.pick("api")
    scene.cluster.referee.api_up(victim.name, False)
    scene.cluster.kill(victim)
    over = time.monotonic()
    time.sleep(API_DOWN_SECONDS)
    scene.cluster.start(victim)
    victim.wait_ready()
    scene.cluster.referee.api_up(victim.name, True)
    return victim.name, over


def stop(kind):
    def fault(scene):
        victim = scene.pick(kind)
        if kind == "gateway":
            scene.cluster.referee.stopped(victim.name)
        victim.pause()
        time.sleep(STOPPED_SECONDS)
        victim.resume()
        over = time.monotonic()
        if kind == "gateway":
            scene.cluster.referee.back(victim.name)
        return victim.name, over

    return fault


def cut(kind):
    def fault(scene):
        victim = scene.pick(kind)
        if kind == "gateway":
            scene.cluster.referee.cut(victim.name)
        victim.host.cut()
        time.sleep(CUT_SECONDS)
        victim.host.mend()
        over = time.monotonic()
        if kind == "gateway":
            scene.cluster.referee.back(victim.name)
        return victim.name, over

    return fault


def stop_dns(scene):
    scene.cluster.dns.process.send_signal(signal.SIGSTOP)
    time.sleep(STOPPED_SECONDS)
    scene.cluster.dns.process.send_signal(signal.SIGCONT)
    return "dns", time.monotonic()


def scale_down(scene):
    cluster = scene.cluster
    leaving = scene.draw.sample(cluster.running("gateway"), 2)
    cluster.publish("gateway", but=leaving)
    for gateway in leaving:
        gateway.signal_term()
    for gateway in leaving:
        gateway.wait_exit(DRAIN_LIMIT_SECONDS)
    over = time.monotonic()
    for gateway in leaving:
        cluster.referee.remove_gateway(gateway.name)
        gateway.host.remove()
    return " ".join(gateway.name for gateway in leaving), over


def scale_up(scene):
    cluster = scene.cluster
    new = [cluster.add("gateway") for _ in range(2)]
    cluster.wait_ready(new)
    for gateway in new:
        cluster.add_to_balancer(gateway)
    return " ".join(gateway.name for gateway in new), time.monotonic()


STORY = {
    "no fault": none,
    "gateway killed": kill("gateway"),
    "gateway restarted": restart,
    "sampler killed": kill("sampler"),
    "sampler restarted": restart,
    "store killed, restarted": kill_store,
    "api killed, restarted": kill_api,
    "gateway stopped": stop("gateway"),
    "sampler stopped": stop("sampler"),
    "store stopped": stop("store"),
    "gateway cut off": cut("gateway"),
    "sampler cut off": cut("sampler"),
    "store cut off": cut("store"),
    "names unanswered": stop_dns,
    "gateways 4 to 2": scale_down,
    "gateways 2 to 4": scale_up,
}
