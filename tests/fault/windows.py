"""Judges the windows that the database holds. Pure: rows and the referee's history in, complaints
out.

A row is what stands in the collection: auction, timestamp (ms here), viewerCount, joins, leaves,
complete and the rest. Only windows in which the auction was watched all the time are asked for.
"""

import truth


def expected(begin_ms, end_ms, window_ms):
    """The timestamps of the windows that lie within a time."""
    first = -(-begin_ms // window_ms) * window_ms + window_ms
    return range(first, end_ms + 1, window_ms)


def true_between(shares, begin_ms, end_ms):
    return truth.add(truth.between(history, begin_ms, end_ms) for history in shares)


def always_watched(shares, begin_ms, end_ms):
    """Whether the auction had viewers all the time between."""
    return true_between(shares, begin_ms, end_ms)[0] > 0


def by_auction(rows):
    """{auction: {timestamp: [row, …]}}"""
    found = {}
    for row in rows:
        found.setdefault(row["auction"], {}).setdefault(row["timestamp"], []).append(row)
    return found


def missing_or_doubled(found, watched):
    """Of the windows watched, (auction, timestamp) each, those that are not there once."""
    complaints = []
    for auction, timestamp in watched:
        count = len(found.get(auction, {}).get(timestamp, []))
        if count != 1:
            complaints.append(f"{auction} at {timestamp}: {count} documents")
    return complaints


EDGE_MS = 100  # within which two replicas hear of the same change
NEWS_MS = 200  # within which the referee hears whom a gateway has sent away


def around(line_ms, before_ms, after_ms, halts):
    """The begin and the end of a time around a line; halts, in which nothing ran, do not count."""
    begin, end = line_ms - before_ms, line_ms + after_ms
    for halt_begin, halt_end in reversed(halts):
        if halt_begin < line_ms and halt_end > begin:
            begin -= min(halt_end, line_ms) - halt_begin
    for halt_begin, halt_end in halts:
        if halt_begin < end and halt_end > line_ms:
            end += halt_end - max(halt_begin, line_ms)
    return begin, end


def unbalanced(found, history, halts, timestamps, window_ms):
    """Pairs of complete windows in which joins and leaves do not make the change of the count. The
    two may be of two replicas, each of which drew the line between them where it heard of a change:
    what the count moved by around that line may stand on either side."""
    pairs, complaints = 0, []
    for auction, windows in found.items():
        for timestamp in timestamps:
            before = windows.get(timestamp - window_ms, [{}])[0]
            after = windows.get(timestamp, [{}])[0]
            if not before.get("complete") or not after.get("complete"):
                continue
            pairs += 1
            change = after["viewerCount"] - before["viewerCount"]
            edges = around(timestamp - window_ms, EDGE_MS, EDGE_MS, halts)
            low, high = true_between(history[auction], *edges)
            if abs(after["joins"] - after["leaves"] - change) > high - low:
                complaints.append(
                    f"{auction} at {timestamp}: {before['viewerCount']} + {after['joins']} joins"
                    f" - {after['leaves']} leaves is not {after['viewerCount']}"
                )
    return pairs, complaints


def untrue(found, history, halts, timestamps):
    """Complete windows whose count was not true at their end, give or take the news' way: that of a
    join to the sampler, and that of a viewer who was sent away to the referee."""
    complaints = []
    for auction, windows in found.items():
        for timestamp in timestamps:
            row = windows.get(timestamp, [{}])[0]
            if not row.get("complete"):
                continue
            edges = around(timestamp, truth.LAG * 1000, NEWS_MS, halts)
            low, high = true_between(history[auction], *edges)
            if not low <= row["viewerCount"] <= high:
                complaints.append(
                    f"{auction} at {timestamp}: {row['viewerCount']}, not {low} to {high}"
                )
    return complaints
