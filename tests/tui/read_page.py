"""Reads a page of `nfbench report` strictly and prints what stands in it as JSON: ends with a message when it is not
well formed, or names anything that a browser would load from elsewhere. For test_cli_report.c."""
import base64
import html.entities
import html.parser
import json
import sys
import zlib

VOID = {"meta", "img", "source", "br", "link", "input", "hr"}
KNOWN = {"html", "head", "meta", "title", "style", "body", "main", "header", "nav", "a", "section", "h1", "h2", "h3", "p",
         "dl", "dt", "dd", "div", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "figure", "figcaption",
         "picture", "source", "img", "details", "summary"}
# What an element may stand in; all others anywhere.
WITHIN = {"tr": {"thead", "tbody"}, "td": {"tr"}, "th": {"tr"}, "thead": {"table"}, "tbody": {"table"}, "dt": {"div"},
          "dd": {"div"}, "summary": {"details"}, "figcaption": {"figure"}, "source": {"picture"}, "section": {"main"}}
NO_BLOCKS_IN = {"p", "h1", "h2", "h3", "a", "dt", "td", "th", "summary", "title", "figcaption"}
BLOCKS = {"p", "h1", "h2", "h3", "div", "table", "section", "figure", "pre", "dl", "details"}


def fail(message):
    sys.exit("read_page.py: " + message)


def check_png(url):
    head = "data:image/png;base64,"
    if not url.startswith(head):
        fail("a picture that is not in the page: " + url[:60])
    data = base64.b64decode(url[len(head):], validate=True)
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        fail("a picture that is no PNG")
    at, names = 8, []
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        chunk = data[at + 4:at + 8 + size]
        if zlib.crc32(chunk) != int.from_bytes(data[at + 8 + size:at + 12 + size], "big"):
            fail("a picture with a damaged chunk")
        names.append(chunk[:4])
        at += 12 + size
    if names[0] != b"IHDR" or names[-1] != b"IEND":
        fail("a picture that is cut")
    return int.from_bytes(data[16:20], "big")


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.open, self.ids, self.links = [], set(), []
        self.out = {"title": "", "name": "", "lead": "", "style": "", "text": "", "sections": [], "figures": [],
                    "tables": [], "code": []}
        self.section, self.lead = "", False

    def handle_decl(self, declaration):
        if declaration.lower() != "doctype html" or self.getpos() != (1, 0):
            fail("no document type at its beginning")

    def handle_comment(self, data):
        fail("a comment: " + data[:60])

    def handle_pi(self, data):
        fail("an instruction: " + data[:60])

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        if tag not in KNOWN:
            fail("an element <%s>" % tag)
        if len(set(names)) != len(names) or any(value is None for _, value in attributes):
            fail("attributes of <%s>: %s" % (tag, names))
        if any(name.startswith("on") or name == "style" for name in names):
            fail("an attribute that acts: %s" % names)
        parent = self.open[-1] if self.open else ""
        if tag in WITHIN and parent not in WITHIN[tag]:
            fail("<%s> in <%s>" % (tag, parent))
        if tag in BLOCKS and NO_BLOCKS_IN & set(self.open):
            fail("<%s> in <%s>" % (tag, parent))
        self.attributes(tag, dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def attributes(self, tag, attributes):
        if "id" in attributes:
            if attributes["id"] in self.ids:
                fail("twice the id " + attributes["id"])
            self.ids.add(attributes["id"])
        if "href" in attributes:
            self.links.append(attributes["href"])
        if tag == "source":
            check_png(attributes["srcset"])
        if tag == "img":
            width = check_png(attributes["src"])
            self.out["figures"].append({"section": self.section, "alt": attributes["alt"], "width": width})
        if tag == "section":
            self.section = attributes["id"]
            self.out["sections"].append(self.section)
        if tag == "table":
            self.out["tables"].append({"section": self.section, "rows": []})
        if tag == "tr":
            self.out["tables"][-1]["rows"].append([])
        if tag in ("td", "th"):
            self.out["tables"][-1]["rows"][-1].append("")
        if tag == "pre":
            self.out["code"].append("")
        if tag == "p" and attributes.get("class", "").startswith("lead"):
            self.lead = True

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            fail("</%s> in %s, line %d" % (tag, self.open, self.getpos()[0]))
        self.open.pop()
        self.lead = self.lead and tag != "p"

    def handle_entityref(self, name):
        if name + ";" not in html.entities.html5:
            fail("an entity &%s" % name)
        self.take(html.entities.html5[name + ";"])

    def handle_charref(self, name):
        fail("a reference &#%s" % name)

    def handle_data(self, data):
        if self.open[-1:] != ["style"] and ("<" in data or "&" in data):
            fail("what is not escaped: " + data[:60])
        self.take(data)

    def take(self, text):
        inner = self.open[-1] if self.open else ""
        if inner == "style":
            self.out["style"] += text
            return
        self.out["text"] += text
        if inner == "title":
            self.out["title"] += text
        if inner == "h1":
            self.out["name"] += text
        if self.lead:
            self.out["lead"] += text
        if "pre" in self.open:
            self.out["code"][-1] += text
        if "td" in self.open or "th" in self.open:
            self.out["tables"][-1]["rows"][-1][-1] += text


def main():
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        text = file.read()
    if any((ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 for c in text):
        fail("a control character")
    page = Page()
    page.feed(text)
    page.close()
    if page.open:
        fail("not closed: %s" % page.open)
    for link in page.links:
        if link[:1] != "#" or link[1:] not in page.ids:
            fail("a link to elsewhere: " + link)
    if "url(" in page.out["style"] or "@import" in page.out["style"]:
        fail("a style that loads something")
    for table in page.out["tables"]:
        if len({len(row) for row in table["rows"]}) != 1:
            fail("a table with rows of several lengths: %s" % table["rows"][0])
    json.dump(page.out, sys.stdout)


main()
