"""Puts faults into copies of the core and the readers, one at a time, and counts how many the tests
find.

    python tests/trust/mutate.py --count 60 --jobs 2
    python tests/trust/mutate.py --only csrc/kernels/losses.h --count 10 --seed 3

The places are drawn with a seed, the same number from kernels, Cython and readers. A mutant that
does not compile is not counted. One that no test finds is printed; where it changes nothing that a
test could see, it stands in equivalent.txt with the reason, and is not counted either. The exit
code is 1 where fewer than 95 % are found.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from copies import ROOT, BuildFailed, build, environment, make_copy
from mutants import mutants_of

ASKED = 95  # percent
SECONDS = 900  # after which the tests of a mutant count as hung, which is found
EQUIVALENT = Path(__file__).with_name("equivalent.txt")


def tests(*names):
    return [f"tests/{name}" for name in names]


# where faults are put, and the tests that matter there, those first that find most
QUICK = (
    *("test_together.py", "test_configurations.py", "test_operations.py", "test_clipping.py"),
    *("test_averages.py", "test_max_norm.py", "test_not_finite.py", "test_network_parts.py"),
)
SLOW = (
    *("test_golden.py", "test_against_reference.py", "test_network.py", "test_muon.py"),
    *("test_own_loss.py", "test_layer_training.py", "test_inputs.py", "test_initial_weights.py"),
    *("test_explain.py", "test_validation.py", "test_memory.py", "test_reproducible.py"),
    *("test_resuming.py", "test_estimators_direct.py"),
)
READ = (
    *("test_tensors.py", "test_storage.py", "test_tables.py", "test_reading.py", "test_dates.py"),
    *("test_means.py", "test_preprocessing.py", "test_resuming.py", "test_writing.py"),
    *("test_bad_input.py", "test_damaged.py", "test_cli.py", "test_faults.py"),
)
PARTS = {
    "kernels": (
        ("csrc/kernels/*.h", "csrc/*.c"),
        [*tests("kernels"), "-k", "not neon"],
        tests(*QUICK, *SLOW),
    ),
    "cython": (("backprop/_core/*.pyx",), tests(*QUICK), tests(*SLOW)),
    "readers": (
        ("backprop/tabular/reading/*.py", "backprop/storage.py", "backprop/tensors.py"),
        tests(*READ[:8]),
        tests(*READ[8:]),
    ),
}
LEFT_OUT = ("polynomials.h", "probe.pyx")  # numbers that are not counts; what tests alone call


def main():
    options = parse()
    drawn = draw(options)
    known = {tuple(line.split(" | ")[:2]) for line in EQUIVALENT.read_text().splitlines()}
    with tempfile.TemporaryDirectory() as temporary:
        copies, first = Queue(), prepared(Path(temporary) / "copy0")
        copies.put(first)
        for i in range(1, options.jobs):
            copies.put(shutil.copytree(first, Path(temporary) / f"copy{i}"))
        check_unharmed(first, sorted({part for part, _ in drawn}))
        with ThreadPoolExecutor(options.jobs) as pool:
            outcomes = list(pool.map(lambda each: tried(copies, *each, known), drawn))
    counted = [outcome for outcome in outcomes if outcome in ("found", "NOT FOUND")]
    share = 100 * counted.count("found") / max(1, len(counted))
    others = {kind: outcomes.count(kind) for kind in ("does not compile", "equivalent")}
    print(f"{counted.count('found')} of {len(counted)} found, {share:.1f} %; besides {others}")
    sys.exit(share < ASKED)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60, help="mutants (default: 60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("--only", help="a file, or a part: " + ", ".join(PARTS))
    return parser.parse_args()


def draw(options):
    """(part, mutant), as many of each part; of one file together, which saves building."""
    chance, found = random.Random(options.seed), []
    pools = {}
    for part, (patterns, *_) in PARTS.items():
        paths = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
        names = [str(path.relative_to(ROOT)) for path in paths if path.name not in LEFT_OUT]
        names = [name for name in names if options.only in (None, part, name)]
        pools[part] = [m for name in names for m in mutants_of(name, (ROOT / name).read_text())]
    pools = {part: pool for part, pool in pools.items() if pool}
    for i, (part, pool) in enumerate(pools.items()):
        count = options.count * (i + 1) // len(pools) - options.count * i // len(pools)
        found += [(part, mutant) for mutant in chance.sample(pool, min(count, len(pool)))]
    return sorted(found)


def prepared(folder):
    """A copy that is built; quickly, for what is compiled is soon another."""
    make_copy(folder)
    setup = folder / "setup.py"
    setup.write_text(setup.read_text().replace('"-O3"', '"-O1"').replace('"-O2"', '"-O1"'))
    build(folder)
    return folder


def check_unharmed(folder, parts):
    """That no test fails without a fault, which would find every one."""
    for part in parts:
        for group in PARTS[part][1:]:
            if fails(folder, group):
                sys.exit(f"the tests fail without a fault: pytest {' '.join(group)}")


def tried(copies, part, mutant, known):
    """What came of a mutant: found, NOT FOUND, equivalent, does not compile; printed."""
    folder = copies.get()
    path = folder / mutant.path
    text, started = path.read_text(), time.perf_counter()
    number, before, after = mutant.line(text)
    try:
        path.write_text(mutant.applied(text))
        outcome = "equivalent" if (mutant.path, after) in known else tested(folder, part)
    finally:
        path.write_text(text)
        copies.put(folder)
    seconds = time.perf_counter() - started
    print(f"{outcome:16} {seconds:4.0f} s  {mutant.path}:{number}: {mutant.kind}", flush=True)
    if outcome != "found":
        print(f"    {before}\n    {after}", flush=True)
    return outcome


def tested(folder, part):
    if part != "readers":
        try:
            build(folder)
        except BuildFailed:
            return "does not compile"
    _, *groups = PARTS[part]
    found = any(fails(folder, group) for group in groups)
    return "found" if found else "NOT FOUND"


def fails(folder, group):
    """Whether a test does, or does not end."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *group]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment(folder), timeout=SECONDS, **quiet
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


if __name__ == "__main__":
    main()
