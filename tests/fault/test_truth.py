"""The referee's own rules: a wrong number is called wrong, news under way is not."""

import truth
import windows


class Shares:
    """Shares of one auction, changed at given seconds."""

    def __init__(self, *names):
        self.all = {name: truth.Share(0, 0) for name in names}

    def change(self, now, name, open=0, trying=0):
        share = self.all[name]
        share.open += open
        share.trying += trying
        share.note(now, now * 1000)

    def reach(self, now, name, reachable):
        share = self.all[name]
        share.reachable, share.most = reachable, 0
        share.note(now, now * 1000)

    def bounds(self, since):
        return truth.add(share.bounds(since) for share in self.all.values())


def test_at_rest_only_the_truth_is_right():
    shares = Shares("a", "b")
    shares.change(1, "a", 3)
    shares.change(2, "b", 4)
    assert shares.bounds(2) == (7, 7)
    assert [truth.distance(said, 7, 7) for said in (6, 7, 9, None)] == [1, 0, 2, 7]


def test_news_under_way_may_be_known_or_not():
    shares = Shares("a", "b")
    shares.change(1, "a", 3)
    shares.change(5, "a", -1)
    shares.change(5.1, "b", 1)
    assert shares.bounds(4.5) == (2, 4)  # 4: the join is heard of before the leave
    assert shares.bounds(5.05) == (2, 3)
    assert shares.bounds(5.1) == (3, 3)


def test_a_handshake_may_count_until_it_fails():
    shares = Shares("a")
    shares.change(1, "a", trying=1)
    assert shares.bounds(1) == (0, 1)
    shares.change(2, "a", trying=-1)
    assert shares.bounds(2) == (0, 0)


def test_nobody_knows_who_is_at_a_gateway_out_of_reach():
    shares = Shares("a", "b")
    shares.change(1, "a", 3)
    shares.change(1, "b", 2)
    shares.reach(2, "a", False)
    shares.change(3, "a", -1)
    assert shares.bounds(3) == (2, 5)
    shares.reach(4, "a", True)
    assert shares.bounds(4) == (4, 4)


def test_time_in_which_nothing_ran_does_not_pass():
    clock = truth.Clock(100)
    assert clock.now(100.125) == 0.125
    assert clock.now(103) == 0.125 + truth.Clock.MOST
    assert clock.halts == [(100.125, 103)]


def test_time_around_a_line_leaves_out_halts():
    assert windows.around(5000, 1000, 200, []) == (4000, 5200)
    assert windows.around(5000, 1000, 200, [(3000, 3500), (5300, 6000)]) == (4000, 5200)
    assert windows.around(5000, 1000, 200, [(3400, 3900), (4500, 4800)]) == (3200, 5200)
    assert windows.around(5000, 1000, 200, [(4900, 5400), (5500, 6000)]) == (3900, 6100)


def test_what_was_true_once_is_looked_up():
    shares = Shares("a")
    shares.change(1, "a", 3)
    shares.change(2, "a", 1)
    history = [shares.all["a"].history]
    assert windows.true_between(history, 1000, 1500) == (3, 3)
    assert windows.true_between(history, 1500, 2500) == (3, 4)
    assert windows.always_watched(history, 1000, 3000)
    assert not windows.always_watched(history, 0, 3000)


def row(timestamp, count, joins=0, leaves=0, complete=True):
    return {
        "auction": "lot",
        "timestamp": timestamp,
        "viewerCount": count,
        "joins": joins,
        "leaves": leaves,
        "complete": complete,
    }


def test_windows_within_a_time():
    assert list(windows.expected(4001, 20000, 5000)) == [10000, 15000, 20000]
    assert list(windows.expected(5000, 14999, 5000)) == [10000]


def test_a_missing_and_a_doubled_window_are_seen():
    found = windows.by_auction([row(10000, 1), row(10000, 1)])
    complaints = windows.missing_or_doubled(found, [("lot", 10000), ("lot", 15000)])
    assert complaints == ["lot at 10000: 2 documents", "lot at 15000: 0 documents"]


def test_joins_and_leaves_that_do_not_make_the_change_are_seen():
    rows = [row(5000, 7), row(10000, 9, 3, 1), row(15000, 9, 1, 0), row(20000, 1, complete=False)]
    shares = Shares("a")
    shares.change(1, "a", 7)
    shares.change(7, "a", 2)

    def judge():
        history = {"lot": [shares.all["a"].history]}
        return windows.unbalanced(
            windows.by_auction(rows), history, [], [10000, 15000, 20000], 5000
        )

    pairs, complaints = judge()
    assert pairs == 2
    assert complaints == ["lot at 15000: 9 + 1 joins - 0 leaves is not 9"]
    shares.change(9.95, "a", -1)  # the one who left on the line, for one replica before it
    assert judge() == (2, [])


def test_a_count_that_was_never_true_is_seen():
    shares = Shares("a")
    shares.change(1, "a", 3)
    shares.change(9.5, "a", 1)
    history = {"lot": [shares.all["a"].history]}
    for count, untrue in ((2, 1), (3, 0), (4, 0), (5, 1)):
        found = windows.by_auction([row(10000, count)])
        assert len(windows.untrue(found, history, [], [10000])) == untrue
    found = windows.by_auction([row(10000, 2)])
    assert windows.untrue(found, history, [(9900, 10500)], [10000])
    shares.change(10.4, "a", -2)  # the referee hears of the two that were sent away after a halt
    assert windows.untrue(found, history, [], [10000])
    assert not windows.untrue(found, history, [(9900, 10500)], [10000])
