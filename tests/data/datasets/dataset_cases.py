"""Small files in the layouts of the real data sets, and a reader of what became of them."""

import gzip
import json

from hgraph.data import read_corpus
from hgraph.graph import LabelGraph


def write(folder, files):
    """Write texts by path; a path that ends in .gz is packed."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return folder


def read(folder):
    """The hierarchy, and the records of each split; every split must be a corpus of hgraph."""
    graph = LabelGraph.load(folder / "taxonomy.json")
    splits = {}
    for path in sorted(folder.glob("*.jsonl.gz")):
        corpus = read_corpus(path, graph)
        records = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        assert len(corpus) == len(records)
        splits[path.name.removesuffix(".jsonl.gz")] = {record["id"]: record for record in records}
    return graph, splits


def edges(graph):
    return {(graph.label_id[parent], graph.label_id[child]) for parent, child in graph.edge_index.t().tolist()}


def nyt_article(*classifiers, headline="A headline", paragraphs=("First.", "Second.")):
    """An article as LDC2008T19 has it."""
    classes = "".join(
        f'<classifier class="online_producer" type="taxonomic_classifier">{path}</classifier>' for path in classifiers
    )
    body = "".join(f"<p>{text}</p>" for text in paragraphs)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE nitf SYSTEM "http://www.nitf.org/IPTC/NITF/3.3/specification/dtd/nitf-3-3.dtd">\n'
        "<nitf><head><title>Title</title><docdata><identified-content>"
        f'<classifier class="indexing_service" type="descriptor">TENNIS</classifier>{classes}'
        '<classifier class="online_producer" type="general_descriptor">Tennis</classifier>'
        f"</identified-content></docdata></head><body><body.head><hedline><hl1>{headline}</hl1></hedline></body.head>"
        f'<body.content><block class="lead_paragraph"><p>LEAD: {paragraphs[0]}</p></block>'
        f'<block class="full_text">{body}</block></body.content></body></nitf>'
    )


def rcv1_news(number, headline, paragraphs):
    """A news item as NIST ships it."""
    text = "".join(f"<p>{part}</p>\n" for part in paragraphs)
    return (
        '<?xml version="1.0" encoding="iso-8859-1" ?>\n'
        f'<newsitem itemid="{number}" id="root" date="1996-08-20" xml:lang="en">\n<title>T: {headline}</title>\n'
        f"<headline>{headline}</headline>\n<text>\n{text}</text>\n<metadata></metadata>\n</newsitem>"
    )


def bgc_book(title, body, *genres):
    """A book as the Blurb Genre Collection has it: no XML."""
    topics = "".join(f"<d{level}>{genre}</d{level}>" for level, genre in genres)
    return (
        f'<book date="2018-08-18" xml:lang="en">\n<title>{title}</title>\n<body>{body}</body>\n'
        f"<copyright>(c) Penguin Random House</copyright>\n<metadata>\n<topics>\n{topics}\n</topics>\n"
        "<author>A. Writer</author>\n<isbn>9780000000000</isbn>\n</metadata>\n</book>\n"
    )
