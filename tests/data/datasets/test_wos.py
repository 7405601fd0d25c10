"""Web of Science: the sheet, the text files, codes against names, the published split."""

from collections import Counter

import numpy as np
import pytest
from dataset_cases import edges, read, write

from hgraph.data.datasets import convert
from hgraph.data.datasets.wos import published_split
from hgraph.errors import ConfigError, DataError

HEADER = "Y1\tY2\tY\tDomain\tarea\tkeywords\tAbstract"
ROWS = [
    (0, 1, "CS ", "Computer vision "),
    (0, 1, "CS ", "Computer vision "),
    (0, 2, "CS ", "Machine learning"),
    (2, 0, "Psychology ", " Depression "),
    (2, 0, "Psychology ", " Depression "),
    (5, 7, "Medical ", "Atrial Fibrillation "),
    (5, 7, "Medical ", "Atrial Fibrillation "),
    (5, 7, "Medical ", "Depression"),
    (5, 8, "Medical ", "Machine learning"),
    (5, 8, "Medical ", "Machine learning"),
]


def sheet(rows=ROWS):
    lines = [
        f'{y1}\t{y2}\t9\t{domain}\t{area}\tkey;words\t"Abstract {number}, with ""quotes""."'
        for number, (y1, y2, domain, area) in enumerate(rows, 1)
    ]
    return "\n".join([HEADER, *lines]) + "\n"


def all_of(splits):
    return {int(number): record for split in splits.values() for number, record in split.items()}


@pytest.mark.parametrize("name", ["Data.txt", "Meta-data/Data.txt.gz"])
def test_codes_are_areas_named_by_most_of_their_rows(name, tmp_path):
    text = convert("wos", write(tmp_path / "raw", {name: sheet()}), tmp_path / "wos")
    graph, splits = read(tmp_path / "wos")
    assert edges(graph) == {
        ("CS", "Computer vision"),
        ("CS", "CS/Machine learning"),
        ("Psychology", "Depression"),
        ("Medical", "Atrial Fibrillation"),
        ("Medical", "Medical/Machine learning"),
    }
    assert graph.name[graph.index("CS")] == "Computer Science"
    assert graph.name[graph.index("CS/Machine learning")] == "Machine learning"
    records = all_of(splits)
    assert sorted(records) == list(range(1, 11))
    assert records[8]["labels"] == ["Medical", "Atrial Fibrillation"]
    assert records[9]["labels"] == ["Medical", "Medical/Machine learning"]
    assert records[4]["text"] == 'Abstract 4, with "quotes".'
    assert "Area 5-7 is 'Atrial Fibrillation' (2 rows) and takes in 'Depression' (1)." in text
    assert "6 of 8 labels have the id of a label of the shipped hierarchy wos" in text
    assert "Data.txt" in text and (tmp_path / "wos" / "README.txt").read_text() == text


def test_names_keep_one_area_below_two_domains_apart(tmp_path):
    convert("wos", write(tmp_path / "raw", {"Data.txt": sheet()}), tmp_path / "wos", labels="names")
    graph, splits = read(tmp_path / "wos")
    assert ("Medical", "Medical/Depression") in edges(graph) and ("Psychology", "Psychology/Depression") in edges(graph)
    records = all_of(splits)
    assert records[8]["labels"] == ["Medical", "Medical/Depression"]
    assert records[6]["labels"] == ["Medical", "Atrial Fibrillation"]


def numbers(rows):
    return {
        "X.txt": "".join(f"text {number}\n" for number in range(len(rows))),
        "YL1.txt": "".join(f"{first}\n" for first, _ in rows),
        "YL2.txt": "".join(f"{second}\n" for _, second in rows),
    }


def test_text_files_need_no_package(tmp_path):
    files = numbers([(0, 1), (5, 1), (5, 2), (0, 1), (6, 0)])
    raw = write(tmp_path / "raw", {f"WOS46985/{name}": text for name, text in files.items()})
    text = convert("wos", raw, tmp_path / "wos")
    graph, splits = read(tmp_path / "wos")
    assert edges(graph) == {
        ("CS", "CS 1"),
        ("Medical", "Medical 1"),
        ("Medical", "Medical 2"),
        ("biochemistry", "biochemistry 0"),
    }
    assert {number: record["labels"][1] for number, record in all_of(splits).items()} == {
        1: "CS 1", 2: "Medical 1", 3: "Medical 2", 4: "CS 1", 5: "biochemistry 0",
    }  # fmt: skip
    assert "no names of areas" in text


def test_a_workbook_is_read_like_the_table(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    raw = write(tmp_path / "raw", {"Data.txt": sheet()})
    book = openpyxl.Workbook()
    book.active.append(HEADER.split("\t"))
    for number, (y1, y2, domain, area) in enumerate(ROWS, 1):
        book.active.append([y1, y2, 9, domain, area, "key;words", f'Abstract {number}, with "quotes".'])
    (tmp_path / "xlsx" / "Meta-data").mkdir(parents=True)
    book.save(tmp_path / "xlsx" / "Meta-data" / "Data.xlsx")
    convert("wos", raw, tmp_path / "a")
    convert("wos", tmp_path / "xlsx", tmp_path / "b")
    for name in ("train.jsonl.gz", "val.jsonl.gz", "test.jsonl.gz", "taxonomy.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    damaged = tmp_path / "xlsx" / "Meta-data" / "Data.xlsx"
    damaged.write_bytes(damaged.read_bytes()[:500])
    with pytest.raises(DataError, match="not a readable workbook"):
        convert("wos", tmp_path / "xlsx", tmp_path / "c")


def test_without_openpyxl_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(ConfigError, match=r'pip install "hgraph-text\[xlsx\]".*Data\.txt.*X\.txt'):
        convert("wos", write(tmp_path / "raw", {"Data.xlsx": "PK"}), tmp_path / "wos")


def test_the_split_has_the_published_sizes_and_follows_its_two_steps():
    splits = published_split(46985)
    assert Counter(splits) == {"train": 30070, "val": 7518, "test": 9397}
    from sklearn.model_selection import train_test_split

    order = np.arange(46985)
    np.random.RandomState(7).shuffle(order)
    train, test = train_test_split(order, test_size=0.2, random_state=0)
    train, val = train_test_split(train, test_size=0.2, random_state=0)
    assert [splits[row] for row in (train[0], val[0], test[0])] == ["train", "val", "test"]
    assert {row for row, split in enumerate(splits) if split == "test"} == set(test.tolist())


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, r"Data\.xlsx or X\.txt is not there. Get it from https://doi\.org/10\.17632/9rw3vkcfy4"),
        ({"X.txt": "a\n", "YL1.txt": "0\n"}, r"YL2\.txt is not there"),
        ({**numbers([(0, 1)] * 4), "YL2.txt": "1\n"}, r"YL2\.txt: has fewer lines"),
        ({**numbers([(0, 1)] * 4), "YL1.txt": "0\nzero\n0\n0\n"}, r"YL1\.txt:2: expected a whole number"),
        ({**numbers([(0, 1)] * 4), "YL1.txt": "0\n9\n0\n0\n"}, r"YL1\.txt:2: expected a domain from 0 to 6, found 9"),
        ({**numbers([(0, 1)] * 2)}, "at least 3 abstracts"),
        ({"Data.txt": "a\tb\n1\t2\n"}, r"Data\.txt:1: expected the columns .*, found no 'Y1'"),
        ({"Data.txt": f"{HEADER}\n0\t1\t2\tCS\n"}, r"Data\.txt:2: expected 7 columns, found 4"),
        ({"Data.txt": f"{HEADER}\n0\t1\t2\t \tarea\tk\ttext\n"}, r"Data\.txt:2: 'Domain' or 'area' is empty"),
    ],
)
def test_damaged_files_are_named_and_leave_nothing(files, said, tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataError, match=said):
        convert("wos", write(tmp_path / "raw", files), tmp_path / "wos")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_other_encodings_are_refused(tmp_path):
    raw = write(tmp_path / "raw", numbers([(0, 1)] * 4))
    (raw / "X.txt").write_bytes(b"caf\xe9\n" * 4)
    with pytest.raises(DataError, match=r"X\.txt:1: expected UTF-8"):
        convert("wos", raw, tmp_path / "wos")
    with pytest.raises(ConfigError, match="'labels' must be 'codes' or 'names'"):
        convert("wos", raw, tmp_path / "wos", labels="both")
