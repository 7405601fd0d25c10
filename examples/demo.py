"""What `make demo` runs: a hierarchy from a file, two models on real text, their figures side by side, a prediction.

Every step is a command that you can repeat on your own data; it is printed before it runs.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

DATA = Path(os.path.relpath(Path(__file__).parent / "data" / "onet"))
TEXT = "Repair brakes and replace worn wheels on freight trains."


def run(*arguments: str) -> None:
    """Show and run one hgraph command."""
    print(
        f"\n\033[1m$ hgraph {shlex.join(arguments)}\033[0m"
        if sys.stdout.isatty()
        else f"\n$ hgraph {shlex.join(arguments)}"
    )
    sys.stdout.flush()
    if subprocess.run([sys.executable, "-m", "hgraph.cli.main", *arguments], check=False).returncode:
        sys.exit("The demo stopped: the command above failed.")


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for the results")
    output = parser.parse_args().output
    marker = output / ".hgraph-demo"
    if output.exists():
        if not marker.exists():
            sys.exit(f"{output} exists and was not made by this demo. Choose another folder with --output.")
        shutil.rmtree(output)
    output.mkdir(parents=True)
    marker.touch()
    start = time.perf_counter()

    print("13,722 task statements of occupations (O*NET), each with its work activities out of a tree of 2,453.")
    taxonomy = str(output / "taxonomy.json")
    run("build-taxonomy", str(DATA / "taxonomy.json"), "-o", taxonomy)
    files = ["--taxonomy", taxonomy, "--train", str(DATA / "train.jsonl.gz"), "--val", str(DATA / "val.jsonl.gz")]
    print("\nThe default recipe: label names and hierarchy are used.")
    run("train", *files, "-o", str(output / "hgraph"))
    print("\nThe flat baseline: the same n-grams into a hidden layer and one output a label; no hierarchy, no names.")
    run("train", *files, "-o", str(output / "flat"), "--recipe", "flat", "--text-encoder", "bag", "--epochs", "15",
        "--set", "batch_size=128", "--set", "learning_rate=0.003", "--set", "head_learning_rate=0.003")  # fmt: skip
    print("\nBoth on documents that neither has seen:")
    run("evaluate", str(output / "hgraph"), str(output / "flat"), "--data", str(DATA / "test.jsonl.gz"))
    print("\nA sentence of your own:")
    run("predict", str(output / "hgraph"), "--text", TEXT, "--format", "table")
    print(f"\nDone in {time.perf_counter() - start:.0f} s. Now yours:")
    print(f'  {Path(sys.executable).parent}/hgraph predict {output / "hgraph"} --text "..."')


if __name__ == "__main__":
    main()
