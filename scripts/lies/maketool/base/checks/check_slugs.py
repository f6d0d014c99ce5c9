from lib import equal, run
from mill.slugs import slugify, unique


def words():
    equal(slugify("Hello World"), "hello-world")
    equal(slugify("Hello, World"), "hello-world")


def ascii_only():
    equal(slugify("Caf\u00e9"), "cafe")


def taken():
    equal(unique("a", {"a", "a-2"}), "a-3")
    equal(unique("b", {"a"}), "b")


run(words, ascii_only, taken)
