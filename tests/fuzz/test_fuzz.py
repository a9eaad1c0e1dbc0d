"""Every target over its seeds and regressions, and for a second on inputs of its own: the same ones each time,
for what is new should come up in a long run and not in somebody else's change."""

import fuzz
import pytest

SECONDS = 1
RUNS = 5000  # at most, so that a fast machine tries no others than a slow one


@pytest.mark.parametrize("target", fuzz.targets())
def test_target(target, tmp_path):
    executions, _ = fuzz.fuzz(target, tmp_path, [f"-max_total_time={SECONDS}", f"-runs={RUNS}", "-seed=1"])
    print(f"{executions} executions")
    assert executions >= len(fuzz.seeds.seeds(target))


def test_every_target_has_seeds():
    assert sorted(fuzz.seeds.SEEDS) == fuzz.targets()
