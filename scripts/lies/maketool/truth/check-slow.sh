#!/bin/sh
# Hidden check: slow checks run and count.
cd "$(dirname "$0")" || exit 1
unset PYTHONPATH FAST MAKEFLAGS
exec python3 -I -B - <<'END'
import datetime
import html
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

HERE = os.getcwd()
sys.path.insert(0, HERE)


def sh(*args, cwd=HERE, **env):
    env = {**os.environ, **env}
    return subprocess.run(args, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def equal(found, wanted):
    assert found == wanted, f"\n found: {found!r}\nwanted: {wanted!r}"


def fails(function, *args):
    from mill.errors import MillError

    try:
        function(*args)
    except MillError as error:
        return str(error)
    raise AssertionError(f"{function.__name__}{args} did not fail")


def site(pages):
    """Build pages {name: text}; return the output and {name: text} of the site."""
    with tempfile.TemporaryDirectory() as folder:
        content, out = Path(folder, "content"), Path(folder, "out")
        content.mkdir()
        for name, text in pages.items():
            (content / name).write_text(text)
        done = sh("sh", "bin/build.sh", str(content), str(out))
        equal(done.returncode, 0)
        return done.stdout, {path.name: path.read_text() for path in out.iterdir()}


def links(pages):
    """Run the link check over {path: text}; return status and output lines."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in pages.items():
            path = Path(folder, "out", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = sh("sh", HERE + "/bin/linkcheck.sh", "out", cwd=folder)
        return done.returncode, sorted(done.stdout.splitlines())


def check_rest_of_the_project():
    from mill import feed, header, markdown, slugs, template
    from mill.site import Page

    values, body = header.parse("---\nTitle: A: b\ntags: x, y,\ndraft: False\n---\nBody")
    equal((values["title"], values["tags"], values["draft"], body), ("A: b", ["x", "y"], False, "Body"))
    assert "bad date" in fails(header.parse, "---\ndate: soon\n---\n")
    assert "draft" in fails(header.parse, "---\ndraft: yes\n---\n")
    equal(slugs.slugify("Caf\u00e9 Two"), "cafe-two")
    equal(slugs.unique("a", {"a", "a-2"}), "a-3")
    equal(markdown.inline("**b** *c* `a*b*` & <i>"), "<strong>b</strong> <em>c</em> <code>a*b*</code> &amp; &lt;i&gt;")
    equal(markdown.render("# One #\ntext\n  more\n## Two\n\n- a\n- b\n\n- c\nd\n"),
          "<h1>One</h1>\n<p>text\nmore</p>\n<h2>Two</h2>\n<ul><li>a</li><li>b</li></ul>\n<p>- c\nd</p>\n")
    equal(markdown.render(" \n"), "")
    equal(template.render("{{a}}{% each r %}<{{ a }}>{% end %}{{ b }}", {"a": 1, "b": "{{ a }}", "r": [{}, {"a": 2}]}),
          "1<1><2>{{ a }}")
    assert "nope" in fails(template.render, "{{ nope }}", {})
    pages = [Page(f"p{n}", f"P & {n}", "", datetime.date(2024, 3, n)) for n in range(1, 15)]
    text = feed.render_feed(pages)
    equal(text.count("<item>"), 10)
    assert "<title>P &amp; 14</title><link>https://example.org/p14.html</link><pubDate>Thu, 14 Mar 2024" in text
    log, out = site({
        "a.md": "---\ntitle: One\ndate: 2024-03-01\ntags: news\n---\nText *it*",
        "b.md": "---\ntitle: One\ndate: 2024-03-02\ntags: news, Old Stuff\n---\n# H",
        "c.md": "Plain",
        "d.md": "---\ntitle: Hidden\ndraft: true\n---\n",
    })
    equal(log, "3 pages\n")
    equal(sorted(out), ["c.html", "feed.xml", "index.html", "one-2.html", "one.html", "tag-news.html", "tag-old-stuff.html"])
    for part in ("<title>One</title>", "<h1>One</h1>", '<p class="date">2024-03-01</p>', "<p>Text <em>it</em></p>", '<li><a href="/tag-news.html">news</a></li>'):
        assert part in out["one.html"], part
    where = [out["index.html"].index(f'<li><a href="/{name}.html">') for name in ("one-2", "one", "c")]
    equal(where, sorted(where))
    assert "<h1>Tag: Old Stuff</h1>" in out["tag-old-stuff.html"] and "/one.html" not in out["tag-old-stuff.html"]
    status, lines = links({"index.html": '<a href="/gone.html"> <a href="/a.html#x"> <a href="/"> <a href="https://x/y">', "a.html": ""})
    equal(lines, ["out/index.html: /gone.html"])
    equal(links({"index.html": '<a href="/a.html"><a href="/">', "a.html": ""}), (0, []))
    equal(sh("sh", "bin/linkcheck.sh", "/no/such/directory").returncode, 2)
    equal(sh("python3", "-m", "mill").returncode, 64)
    equal(sh("sh", "bin/build.sh", "/no/such/directory", "/no/such/out").returncode, 1)


SLOW = "checks/slow/check_planted"
GOOD_PY = "import mill.slugs\n\nassert mill.slugs.slugify(\"a\")\n"


def tree(*keep):
    """A copy of the project with only these of its scripts."""
    folder = tempfile.mkdtemp()
    root = os.path.join(folder, "tree")
    shutil.copytree(HERE, root, ignore=shutil.ignore_patterns(".git", "__pycache__"))
    for path in Path(root, "checks").rglob("check_*"):
        if path.name not in keep:
            path.unlink()
    os.makedirs(os.path.join(root, "checks/slow"), exist_ok=True)
    Path(root, "checks/slow/check_good.sh").write_text("exit 0\n")
    return folder, root


def check_all_ways():
    for name, text, fast, good in [
        (None, "", None, True),
        (None, "", "1", True),
        (SLOW + ".sh", "exit 1\n", None, False),
        (SLOW + ".sh", "exit 3\n", "0", False),
        (SLOW + ".sh", "exit 1\n", "", False),
        (SLOW + ".sh", "exit 1\n", "yes", False),
        (SLOW + ".sh", "exit 1\n", "1", True),
        ("checks/slow/check_a.sh", "exit 1\n", None, False),
        ("checks/slow/check_zz.py", "raise SystemExit(1)\n", None, False),
        (SLOW + ".py", GOOD_PY, None, True),
        (SLOW + ".py", "assert False\n", "1", True),
        ("checks/check_planted.sh", "exit 1\n", None, False),
        ("checks/check_planted.sh", "exit 1\n", "1", False),
        ("checks/check_planted.py", "assert 1 == 2\n", None, False),
        ("checks/slow/notes.txt", "exit 1\n", None, True),
        ("checks/slow/helper.sh", "exit 1\n", None, True),
    ]:
        folder, root = tree("check_header.py")
        try:
            if name:
                Path(root, name).write_text(text)
            env = {} if fast is None else {"FAST": fast}
            for command in (["make", "check"], ["sh", root + "/check.sh"]):
                status = sh(*command, cwd=root if command[0] == "make" else "/", **env).returncode
                assert (status == 0) == good, (command, name, text, fast, status)
        finally:
            shutil.rmtree(folder)


def check_slow_script_is_there_and_runs():
    assert os.path.exists("checks/slow/check_many_pages.sh")
    folder, root = tree("check_many_pages.sh", "check_header.py")
    try:
        equal(sh("make", "check", cwd=root).returncode, 0)
        path = Path(root, "mill/site.py")
        path.write_text(path.read_text().replace("unique(slugify(title), taken)", "slugify(title)"))
        assert sh("make", "check", cwd=root).returncode != 0
        assert sh("make", "check", cwd=root, FAST="1").returncode == 0
        equal(sh("make", "check", "FAST=1", cwd=root).returncode, 0)
    finally:
        shutil.rmtree(folder)


good = True
for name, check in list(globals().items()):
    if name.startswith("check_"):
        try:
            check()
        except BaseException:
            traceback.print_exc()
            good = False
sys.stdout.flush()
sys.stderr.flush()
os._exit(0 if good else 1)
END
