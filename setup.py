"""Packaging of hgraph: distribution `hgraph-text`, import name `hgraph`, command `hgraph`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (HERE / "hgraph" / "version.py").read_text(encoding="utf-8")).group(1)

CPU = ["faiss-cpu>=1.9"]
ONTOLOGIES = ["obonet>=1.0", "rdflib>=7.0"]
PLOT = ["matplotlib>=3.8"]
LORA = ["peft>=0.17"]
SWEEP = ["optuna>=4.0"]
XLSX = ["openpyxl>=3.1"]
ONNX = ["onnx>=1.23", "onnxruntime>=1.31", "onnxscript>=0.7"]
TEST = [
    *CPU,
    *ONTOLOGIES,
    *PLOT,
    *ONNX,
    *LORA,
    *SWEEP,
    *XLSX,
    "hypothesis>=6.100",
    "import-linter>=2.0",
    "mypy>=1.10",
    "networkx>=3.2",
    "pytest>=8.0",
    "pytest-xdist>=3.5",
    "ruff>=0.6",
    "types-PyYAML",
]

setup(
    name="hgraph-text",
    version=VERSION,
    description="Multi-label text classification when the labels form a hierarchy: a PyTorch Geometric label graph, "
    "graph label encoders, text-label alignment and consistent predictions.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The hgraph developers",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["hgraph", "hgraph.*"]),
        "hgraph.cli",
        "hgraph.taxonomies",
    ],
    package_dir={"hgraph.cli": "cli", "hgraph.taxonomies": "taxonomies"},
    package_data={
        "hgraph": ["py.typed"],
        "hgraph.recipes": ["*.yaml"],
        "hgraph.taxonomies": ["data/*.json", "data/*.json.gz", "NOTICES.md", "README.md"],
        "hgraph.graph.render": ["*.html"],
    },
    install_requires=[
        "accelerate>=1.1",
        "click>=8.1",
        "datasets>=3.0",
        "filelock>=3.12",
        "jinja2>=3.1",
        "networkx>=3.2",
        "numba>=0.61",
        "numpy>=1.26",
        "pyyaml>=6.0",
        "safetensors>=0.4.3",
        "scikit-learn>=1.4",
        "scipy>=1.11",
        "torch>=2.7",
        "torch-geometric>=2.6",
        "tqdm>=4.60",
        "transformers>=5.0",
    ],
    extras_require={
        "cpu": CPU,
        "gpu": ["faiss-gpu>=1.7"],
        "ontologies": ONTOLOGIES,
        "plot": PLOT,
        "onnx": ONNX,
        "lora": LORA,
        "sweep": SWEEP,
        "xlsx": XLSX,
        "all": [*CPU, *ONTOLOGIES, *PLOT, *ONNX, *LORA, *SWEEP, *XLSX],
        "test": TEST,
        "dev": [*TEST, "pre-commit>=3.7"],
    },
    entry_points={"console_scripts": ["hgraph = hgraph.cli.main:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Text Processing",
        "Typing :: Typed",
    ],
)
