#!/bin/sh
# Hidden check: render is tidier and writes the same.
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


def reference(text):
    from mill.markdown import HEADING, inline

    def block(lines):
        heading = HEADING.fullmatch(lines[0])
        if heading and len(lines) == 1:
            level = len(heading.group(1))
            return f"<h{level}>{inline(heading.group(2))}</h{level}>"
        if all(line.startswith("- ") for line in lines):
            return "<ul>" + "".join(f"<li>{inline(line[2:].strip())}</li>" for line in lines) + "</ul>"
        return "<p>" + "\n".join(inline(line.strip()) for line in lines) + "</p>"

    groups, fresh = [], True
    for line in text.splitlines():
        if not line.strip():
            fresh = True
        elif HEADING.fullmatch(line):
            groups.append([line])
            fresh = True
        elif fresh:
            groups.append([line])
            fresh = False
        else:
            groups[-1].append(line)
    return "\n".join(map(block, groups)) + "\n" if groups else ""


def check_output():
    import random

    from mill.markdown import HEADING, render

    equal(HEADING.pattern, r"(#{1,6})\s+(.*?)\s*#*")
    lines = ["", "  ", "# One", "## Two ##", "#tag", "####### seven", " # indented", "- a", "- b ", "  - c", "-d", "text", "  more  ", "*x* `# y`", "# ", "#", "\t", "- ", "# -", "\x0c", "1 < 2"]
    chance = random.Random(7)
    for _ in range(6000):
        text = "\n".join(chance.choice(lines) for _ in range(chance.randrange(8)))
        text += chance.choice(["", "\n", "\r\n", "\n\n"])
        found = render(text)
        assert found == reference(text), (text, found, reference(text))


def check_tidier():
    code = Path("mill/markdown.py").read_text()
    assert code.count("HEADING.fullmatch(") + code.count("HEADING.match(") <= 2, "HEADING"
    assert code.count("blocks.append(") <= 2, "append"
    assert code.count("_block(lines)") <= 3
    before = "            if HEADING.fullmatch(line) and lines:\n                blocks.append(_block(lines))"
    assert before not in code


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
