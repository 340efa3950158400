"""Feeds damaged files and arguments to what reads them: there is a result or one clear refusal.

    python tests/trust/fuzz.py --seconds 600              # in a build with sanitizers
    python tests/trust/fuzz.py --seconds 600 --plain      # as it is installed: faster
    python tests/trust/fuzz.py --only model --seed 5 --seconds 60 --plain
    python tests/trust/fuzz.py --only tables --atheris --seconds 600 --plain

Good inputs are made, and changed at random from a seed: bits, bytes, pieces left out, repeated or
taken from another, numbers, and values of the JSON inside. With --atheris libFuzzer changes them
instead, guided by the lines that they reach (`pip install atheris`). What raises anything else than
a refusal, hangs, ends the process or takes more memory than it may is a finding: its bytes are
kept, and the exit code is 1.
"""

import argparse
import faulthandler
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from copies import make_copy, run

SECONDS_EACH = 20  # after which an input hangs
MOST_MEMORY = 2 << 20  # kilobytes that the process may come to hold, what sanitizers take included


def main():
    options = parse()
    if options.plain:
        sys.exit(fuzz(options))
    from sanitize import reports, sanitized_build, settings

    with tempfile.TemporaryDirectory() as temporary:
        folder = make_copy(options.folder or Path(temporary) / "copy")
        sanitized_build(folder, "address")
        arguments = [*sys.argv[1:], "--plain", "--found", str(Path(options.found).resolve())]
        failed = run(folder, "tests/trust/fuzz.py", *arguments, **settings(folder, "address"))
        found = reports(folder)
    print("\n".join(found) or "the sanitizers report nothing")
    sys.exit(bool(failed or found))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="in all (default: 60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("model", "run", "tables", "command"))
    parser.add_argument("--plain", action="store_true", help="the build that is imported")
    parser.add_argument("--atheris", action="store_true", help="changed by libFuzzer; needs --only")
    parser.add_argument("--folder", help="where the sanitizers' copy goes, and stays")
    parser.add_argument("--found", default="found", help="where findings go (default: found)")
    return parser.parse_args()


def fuzz(options):
    """Each target in turns; the exit code."""
    from changes import Changes
    from targets import TARGETS

    names = [options.only] if options.only else list(TARGETS)
    with tempfile.TemporaryDirectory() as temporary:
        targets = [TARGETS[name](Path(temporary)) for name in names]
        if options.atheris:
            return with_atheris(targets[0], options)
        faulthandler.enable()
        signal.signal(signal.SIGALRM, hangs)
        changes, counts, findings = Changes(options.seed), dict.fromkeys(names, 0), 0
        began = time.monotonic()
        while time.monotonic() - began < options.seconds:
            for name, target in zip(names, targets, strict=True):
                given = target.change(changes)
                findings += tried(target, name, given, Path(options.found))
                counts[name] += 1
    for name, target in zip(names, targets, strict=True):
        print(f"{name}: {counts[name]:,} inputs, {target.taken:,} of them taken")
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{options.seconds:.0f} s, seed {options.seed}: {findings} findings, {held >> 10} MB held"
    )
    return bool(findings) or held > MOST_MEMORY


def tried(target, name, given, found):
    """Whether it is a finding; then it is kept."""
    signal.alarm(SECONDS_EACH)
    try:
        target.taken += target.use(given)
        return False
    except Exception:
        found.mkdir(exist_ok=True)
        kept = found / f"{name}-{abs(hash(given)):x}"
        kept.write_bytes(given if isinstance(given, bytes) else repr(given).encode())
        print(f"finding: {kept}\n{traceback.format_exc()}", flush=True)
        return True
    finally:
        signal.alarm(0)


def with_atheris(target, options):
    """libFuzzer ends the process by itself: at a finding, or when the time is over."""
    import atheris

    seeds = Path(options.found) / "corpus"
    seeds.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(target.seeds()):
        (seeds / f"seed{i}").write_bytes(seed)
    atheris.instrument_all()
    limits = [f"-max_total_time={options.seconds:.0f}", f"-timeout={SECONDS_EACH}"]
    limits.append(f"-artifact_prefix={options.found}/")
    atheris.Setup([sys.argv[0], *limits, str(seeds)], lambda given: target.use(given) and None)
    atheris.Fuzz()


def hangs(*_):
    raise TimeoutError(f"hangs for {SECONDS_EACH} s")


if __name__ == "__main__":
    main()
