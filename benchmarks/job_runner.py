"""Jobs of a benchmark, each in a process of its own; what the file of results has is not run again."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

Job = dict[str, Any]


def run_missing(
    script: str, jobs: Sequence[Job], output: Path, key: Callable[[Job], tuple], *, workers: int = 1
) -> list[Job]:
    """Run each job as `python script --one JOB`, whose last line is its result, and add the results to `output`.

    A job with the `key` of a result is passed over; one that fails is told of and left out.
    """
    results: list[Job] = json.loads(output.read_text()) if output.exists() else []
    done = {key(result) for result in results}

    def execute(job: Job) -> tuple[Job, subprocess.CompletedProcess[str]]:
        command = [sys.executable, script, "--one", json.dumps(job)]
        return job, subprocess.run(command, capture_output=True, text=True)

    with ThreadPoolExecutor(workers) as pool:
        for future in as_completed([pool.submit(execute, job) for job in jobs if key(job) not in done]):
            job, finished = future.result()
            if finished.returncode:
                print(f"{key(job)} failed:", finished.stderr[-2000:], flush=True)
                continue
            results.append(json.loads(finished.stdout.splitlines()[-1]))
            temporary = output.with_suffix(".new")
            temporary.write_text(json.dumps(results, indent=1) + "\n")
            temporary.replace(output)
            print(json.dumps(results[-1]), flush=True)
    return results
