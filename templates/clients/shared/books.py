"""Three books in Chroma, found by their subject."""

import string

BOOKS = {
    "moby-dick": "a captain hunts a white whale",
    "walden": "a man lives alone in the woods",
    "middlemarch": "people marry, and most regret it",
}


def embed(text):
    """Counts letters, in place of an embedding model."""
    return [float(text.lower().count(letter)) for letter in string.ascii_lowercase]


def find(chroma, question):
    """Stores the books and returns the id of the best match and the number of books."""
    books = chroma.get_or_create_collection("books", embedding_function=None)
    books.upsert(
        ids=list(BOOKS),
        documents=list(BOOKS.values()),
        embeddings=[embed(text) for text in BOOKS.values()],
    )
    nearest = books.query(query_embeddings=[embed(question)], n_results=1)
    return nearest["ids"][0][0], books.count()
