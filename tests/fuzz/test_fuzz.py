"""Every target over its seeds and regressions, and for a second on inputs of its own."""

import fuzz
import pytest

SECONDS = 1


@pytest.mark.parametrize("target", fuzz.targets())
def test_target(target, tmp_path):
    executions, _ = fuzz.fuzz(target, tmp_path, [f"-max_total_time={SECONDS}", "-seed=1"])
    print(f"{executions} executions")
    assert executions >= len(fuzz.seeds.seeds(target))


def test_every_target_has_seeds():
    assert sorted(fuzz.seeds.SEEDS) == fuzz.targets()
