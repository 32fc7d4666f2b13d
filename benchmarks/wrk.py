"""wrk, the load tool (https://github.com/wg/wrk, Debian: `apt install wrk`), as a function."""

from __future__ import annotations

import json
import pathlib
import resource
import subprocess

from request_bodies import Bodies

SCRIPT = pathlib.Path(__file__).parent / "workers" / "post.lua"


def load(url: str, bodies: Bodies, connections: int, seconds: int, pause: float = 0.0) -> dict:
    """Posts `bodies` to `url` over so many connections at once, for so long.

    Without `pause` each connection asks again as soon as it is answered. With it, it waits before each request for a
    random time of that mean, in seconds, which does not count as latency. wrk corrects latencies for what a stalled
    server kept it from asking ("coordinated omission").

    Returns:
        rate: answers a second; p50, p99 and slowest: latencies in ms; refused: answers of status 400 or more;
        broken: connections that failed, broke or timed out; unanswered: requests without an answer, those in flight
        at the end included (at most `connections`, if none is lost); cpu: wrk's own use of a core, 0 to 1.

    Raises:
        RuntimeError: wrk did not run to its end.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s", "--timeout=60s"]
        + [f"--script={SCRIPT}", url, "--", str(bodies.folder), str(bodies.count), bodies.content_type]
        + [str(pause * 1000)],
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or not done.stdout.rstrip().endswith("}"):
        raise RuntimeError(f"wrk failed on {url}: {done.stdout[-500:]}{done.stderr[-500:]}")
    result = json.loads(done.stdout.splitlines()[-1])
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**result, "rate": result["requests"] / result["seconds"], "cpu": used / result["seconds"]}
