"""What the application does with Chroma: three books, found by what they are about."""

import string

BOOKS = {
    "moby-dick": "a captain hunts a white whale",
    "walden": "a man lives alone in the woods",
    "middlemarch": "people marry, and most regret it",
}


def embed(text):
    """Stands in for an embedding model: how often each letter occurs."""
    return [float(text.lower().count(letter)) for letter in string.ascii_lowercase]


def find(chroma, question):
    """Stores the books and gives the id of the nearest to the question, and how many there are."""
    books = chroma.get_or_create_collection("books", embedding_function=None)
    books.upsert(
        ids=list(BOOKS),
        documents=list(BOOKS.values()),
        embeddings=[embed(text) for text in BOOKS.values()],
    )
    nearest = books.query(query_embeddings=[embed(question)], n_results=1)
    return nearest["ids"][0][0], books.count()
