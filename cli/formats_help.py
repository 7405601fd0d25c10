"""Formats of taxonomy files for `hgraph build-taxonomy --help`, which must answer without importing torch.

A test compares them with `hgraph.graph.FORMATS`.
"""

# fmt: off
FORMATS: dict[str, tuple[str, str]] = {
    "json": (
        'hgraph JSON: ids, names, descriptions and edges.',
        (
            '{"format": "hgraph-taxonomy", "version": 1, "name": "toy", "license": "CC0-1.0", "source": "",\n'
            ' "nodes": [{"id": "s", "name": "Science", "description": ""},\n'
            '           {"id": "p", "name": "Physics", "description": "Matter and energy"}],\n'
            ' "edges": [["s", "p"]]}'
        ),
    ),
    "edges": (
        'CSV or TSV, one parent,child edge a line.',
        (
            'parent,child,name,description\n'
            ',s,Science,\n'
            's,p,Physics,Matter and energy\n'
            's,b,Biology,'
        ),
    ),
    "parents": (
        "CSV or TSV, one label a line, its parents joined by '|'.",
        (
            'id,parents,name,description\n'
            's,,Science,\n'
            'p,s,Physics,Matter and energy\n'
            'c,s,Chemistry,\n'
            'pc,p|c,Physical chemistry,'
        ),
    ),
    "paths": (
        'Text, one path of names from a root a line.',
        (
            'Science\n'
            'Science > Physics\n'
            'Science > Physics > Optics\n'
            'Science > Biology'
        ),
    ),
    "levels": (
        'CSV or TSV, one column a level, one path a line.',
        (
            'level1,level2,level3\n'
            'Science,Physics,Optics\n'
            'Science,Biology,'
        ),
    ),
    "nested": (
        "YAML or JSON, a tree of objects with 'children' or of maps.",
        (
            '- name: Science\n'
            '  children:\n'
            '    - {id: p, name: Physics, description: Matter and energy, children: [Optics]}\n'
            '    - Biology'
        ),
    ),
    "htc": (
        'Tab-separated, a parent and its children a line.',
        (
            'Root\tCS\tMedical\n'
            'CS\tMachine learning\tSecurity\n'
            'Medical\tAsthma'
        ),
    ),
    "labels": (
        'Text, one label a line, perhaps with its number.',
        (
            '0\tCS\n'
            '1\tMedical\n'
            '2\tCivil engineering'
        ),
    ),
    "rcv1": (
        'The hierarchy files of RCV1.',
        (
            'parent: None   child: Root   child-description: Root\n'
            'parent: Root   child: CCAT   child-description: CORPORATE/INDUSTRIAL\n'
            'parent: CCAT   child: C11    child-description: STRATEGY/PLANS'
        ),
    ),
    "obo": (
        'OBO terms and their relations.',
        (
            '[Term]\n'
            'id: GO:1\n'
            '[Term]\n'
            'id: GO:2\n'
            'is_a: GO:1 ! science'
        ),
    ),
    "skos": (
        'SKOS concepts in Turtle, N-Triples or RDF/XML.',
        (
            '@prefix skos: <http://www.w3.org/2004/02/skos/core#> .\n'
            '@prefix ex: <http://example.org/> .\n'
            'ex:science a skos:Concept ; skos:prefLabel "Science"@en , "Wissenschaft"@de .\n'
            'ex:physics a skos:Concept ; skos:broader ex:science ; skos:prefLabel "Physics"@en ;\n'
            '    skos:definition "Matter and energy."@en .'
        ),
    ),
    "owl": (
        'OWL or RDFS classes in RDF/XML, Turtle or N-Triples.',
        (
            '@prefix owl: <http://www.w3.org/2002/07/owl#> .\n'
            '@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n'
            '@prefix ex: <http://example.org/> .\n'
            'ex:Science a owl:Class ; rdfs:label "Science" .\n'
            'ex:Physics a owl:Class ; rdfs:subClassOf ex:Science ; rdfs:comment "Matter and energy." .'
        ),
    ),
    "graphml": (
        'GraphML, a directed graph, parent -> child.',
        (
            '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
            '<key id="n" for="node" attr.name="name" attr.type="string"/><graph edgedefault="directed">\n'
            '<node id="s"><data key="n">Science</data></node>\n'
            '<node id="p"><data key="n">Physics</data></node>\n'
            '<edge source="s" target="p"/></graph></graphml>'
        ),
    ),
}
WRITTEN = ("json", "edges", "parents", "paths", "levels", "nested", "htc", "obo", "skos", "graphml")
# fmt: on
