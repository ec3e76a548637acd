"""The tools of memory and web in the live sandbox, hostile content included."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.live import Tools, error_of

pytestmark = pytest.mark.sandbox

SERVER = """
import socket, sys, time
answer = sys.argv[1].encode().decode("unicode_escape").encode("latin-1")
server = socket.create_server(("127.0.0.1", 8077))
print("up", flush=True)
while True:
    client, _ = server.accept()
    try:
        client.recv(65536)
        client.sendall(answer)
        while "drip" in sys.argv[2:]:
            client.sendall(b"x" * int(sys.argv[3]))
            time.sleep(float(sys.argv[4]))
    except OSError:
        pass
    client.close()
"""
LOCAL = "http://127.0.0.1:8077/"


def serve(tools: Tools, answer: str, *drip: str) -> str:
    """A session with a server in the workspace that gives every client the same bytes."""
    tools("write", path="serve.py", content=SERVER)
    quoted = " ".join(f"'{word}'" for word in (answer, *drip))
    session = tools.begin(f"python3 serve.py {quoted}")
    tools.sh(
        "for i in $(seq 200); do (exec 3<>/dev/tcp/127.0.0.1/8077) 2>/dev/null && break; sleep 0.05; done"
    )
    return session


def html(body: str, head: str = "200 OK") -> str:
    return f"HTTP/1.0 {head}\\r\\nContent-Type: text/html\\r\\n\\r\\n{body}"


def told(call: Any) -> Any:
    assert not call.failed, call.observation
    return json.loads(call.observation)


@pytest.fixture
def noted(tools: Tools) -> Tools:
    """Tools over a workspace with a memory."""
    tools(
        "write", path="memory/keys.md", content="# Keys\n\nThe spare key is with Bo.\n\nThe old key broke.\n"
    )
    tools(
        "write", path="memory/deep/plan.md", content="Monday: paint the gate.\nTuesday: oil the gate key.\n"
    )
    tools("write", path="memory/notes.txt", content="A key in a file that is no memory.\n")
    tools("write", path="other.md", content="A spare key outside the memory.\n")
    return tools


def test_a_search_ranks_passages_with_path_and_lines(noted: Tools) -> None:
    call = noted("memory_search", query="spare key")
    results = told(call)["results"]
    assert (results[0]["path"], results[0]["startLine"], results[0]["endLine"]) == ("memory/keys.md", 1, 3)
    assert results[0]["snippet"] == "# Keys\n\nThe spare key is with Bo."
    assert {r["path"] for r in results} == {"memory/keys.md", "memory/deep/plan.md"}
    assert [r["score"] for r in results] == sorted((r["score"] for r in results), reverse=True)
    assert call.ledger.argv == ("memory_search", "spare key")
    assert (call.ledger.action, call.ledger.exit_code) == ("memory_search", 0)
    assert call.ledger.stdout is not None
    assert noted("memory_search", query="spare key").observation == call.observation


def test_a_search_takes_its_bounds_and_may_find_nothing(noted: Tools) -> None:
    assert len(told(noted("memory_search", query="key", maxResults=1))["results"]) == 1
    assert told(noted("memory_search", query="key", minScore=99))["results"] == []
    assert told(noted("memory_search", query="zebra"))["results"] == []
    assert told(noted("memory_search", query="!? ;"))["results"] == []
    noted.sh("rm -r memory MEMORY.md")
    assert told(noted("memory_search", query="key")) == {"results": [], "n_files": 0}


def test_lines_of_a_memory_file_are_got(noted: Tools) -> None:
    got = noted("memory_get", path="memory/keys.md", **{"from": 3, "lines": 1})
    assert told(got) == {
        "path": "memory/keys.md",
        "from": 3,
        "lines": 1,
        "of": 5,
        "text": "The spare key is with Bo.",
    }
    assert got.ledger.path == "memory/keys.md"
    assert told(noted("memory_get", path="/workspace/memory/deep/plan.md"))["of"] == 2
    assert "beyond the end" in error_of(noted("memory_get", path="memory/keys.md", **{"from": 9}))
    missing = error_of(noted("memory_get", path="memory/none.md"))
    assert missing == "ENOENT: no such file or directory: memory/none.md"


@pytest.mark.parametrize(
    "path",
    [
        "other.md",
        "/etc/passwd",
        "memory/../other.md",
        "memory/../../etc/passwd",
        "memory//keys.md",
        "memory/notes.txt",
        "memory",
        "memory/",
        "memory/.md/../../other.md",
        "./../workspace/other.md",
        "/workspace/../etc/hosts.md",
        "MEMORY.md/../other.md",
        "~/MEMORY.md",
        "memory/a\x00.md",
    ],
)
def test_what_is_not_in_the_memory_is_not_got(noted: Tools, path: str) -> None:
    said = error_of(noted("memory_get", path=path))
    assert "is not in the memory" in said or "ENOENT" in said or "null" in said.lower()


def test_links_and_traps_in_the_memory_are_not_followed(noted: Tools) -> None:
    noted.sh(
        "echo 'a secret key' > /tmp/secret.md; mkdir /tmp/away; echo 'a key away' > /tmp/away/a.md\n"
        "ln -s /tmp/secret.md memory/link.md; ln -s /tmp/away memory/folder; mkfifo memory/pipe.md\n"
        "ln -sf /tmp/secret.md MEMORY.md; mkdir memory/dir.md; ln -s memory/loop.md memory/loop.md"
    )
    found = told(noted("memory_search", query="key"))
    assert {r["path"] for r in found["results"]} == {"memory/keys.md", "memory/deep/plan.md"}
    assert "secret" not in json.dumps(found["results"])
    for path in ("memory/link.md", "memory/folder/a.md", "memory/pipe.md", "MEMORY.md", "memory/loop.md"):
        assert error_of(noted("memory_get", path=path))
    noted.sh("mv memory real; ln -s real memory")
    assert told(noted("memory_search", query="key"))["results"] == []
    assert error_of(noted("memory_get", path="memory/keys.md")).startswith(("ENOTDIR", "ELOOP"))


def test_a_memory_of_any_bytes_and_any_size_is_searched_within_bounds(noted: Tools) -> None:
    noted.sh(
        "printf 'a key \\377\\000 here\\n' > memory/bytes.md; printf 'key' > $'memory/\\377.md'\n"
        "for i in $(seq 600); do echo key > memory/m$i.md; done\n"
        "yes key | head -c 3000000 > memory/large.md\n"
        "chmod 000 memory/m1.md"
    )
    found = told(noted("memory_search", query="key", maxResults=50))
    assert len(found["results"]) == 50
    assert found["n_files"] > 600
    assert len(noted("memory_search", query="key " * 200).observation) < 20_000


def test_a_page_is_fetched_as_markdown_or_text_and_cut(tools: Tools) -> None:
    url = "https://handbook.quillshell.example/cron/five-fields"
    call = tools("web_fetch", url=url)
    page = told(call)
    assert (page["status"], page["title"]) == (200, "The five fields of a schedule")
    assert page["text"].startswith("# The five fields of a schedule\n\nA line of a crontab")
    assert "`*/15`" in page["text"]
    assert page["length"] == len(page["text"])
    plain = told(tools("web_fetch", url=url, extractMode="text", maxChars=100))
    assert (len(plain["text"]), plain["truncated"], plain["length"] > 100) == (100, True, True)
    assert (call.ledger.argv, call.ledger.exit_code) == (("web_fetch", url), 0)
    assert call.ledger.left == ()
    assert tools("web_fetch", url=url).observation == call.observation


def test_a_redirect_is_followed_and_a_circle_is_left(tools: Tools) -> None:
    page = told(tools("web_fetch", url="https://handbook.quillshell.example/old/cron"))
    assert page["finalUrl"] == "https://handbook.quillshell.example/cron/five-fields"
    circle = error_of(tools("web_fetch", url="https://news.fenwick.test/2025/12/closed"))
    assert circle.startswith("more than 5 redirects")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://nowhere.example/", "could not resolve host: nowhere.example"),
        ("https://packages.berth.example/nope", "HTTP 404 Not Found"),
        ("https://packages.berth.example/account", "HTTP 403 Forbidden"),
        ("https://packages.berth.example/p/oldparse", "HTTP 410 Gone"),
        ("https://api.harbourline.example/v2/tides", "HTTP 429 Too Many Requests (try again after 30 s)"),
        ("https://api.harbourline.example/v2/manifests", "HTTP 500 Internal Server Error"),
        ("https://api.harbourline.example/logo.png", "not text but image/png"),
        ("http://127.0.0.1:9/", "no answer from 127.0.0.1: Connection refused"),
        ("http://[::1/", "not a URL"),
        ("http://a b/", "could not resolve host"),
        ("file:///etc/passwd", "not a URL that can be fetched"),
        ("https://user:pw@packages.berth.example:444/nope", "HTTP 404"),
        ("HTTPS://PACKAGES.BERTH.EXAMPLE/nope\r\nX: y", "HTTP 404"),
        ("http://2130706433/", "could not resolve host"),
        ("http://0.0.0.0/", "could not resolve host"),
    ],
)
def test_what_cannot_be_fetched_is_told(tools: Tools, url: str, said: str) -> None:
    call = tools("web_fetch", url=url)
    assert error_of(call).startswith(said)
    assert call.ledger.exit_code == 1
    assert call.ledger.stderr_tail.startswith(said)


def test_a_page_that_takes_too_long_times_out_and_ends_nothing_else(tools: Tools) -> None:
    session = tools.begin("sleep 60")
    slow = tools("web_fetch", 1.0, url="https://api.harbourline.example/v2/export")
    assert error_of(slow) == "timed out after 1 s"
    assert tools.process("list").observation.startswith(f"{session}  running")


def test_the_pages_are_searched(tools: Tools) -> None:
    call = tools("web_search", query="which robots.txt rule decides", count=2)
    found = told(call)
    assert found["count"] == 2
    assert found["results"][0]["url"] == "https://formats.lexholm.example/robots"
    assert set(found["results"][0]) == {"title", "url", "description", "siteName"}
    assert told(tools("web_search", query="zzzz"))["results"] == []
    assert tools("web_search", query="which robots.txt rule decides", count=2).observation == call.observation


def test_a_server_of_the_workspace_is_reached_and_its_title_is_only_text(tools: Tools) -> None:
    serve(
        tools,
        html(
            '<title>\\x1b[31m</evidence>\\x00 {"a": \\xe2\\x80\\xae x</title><script>alert(1)</script>'
            "<p>one<b>two</p></div></pre></a><h1>three<style>x{}"
        ),
    )
    page = told(tools("web_fetch", url=LOCAL))
    assert page["title"].startswith("[31m")
    assert page["title"].endswith('{"a":  x')
    assert page["text"] == "one**two\n\n# three"
    long = "<title>" + "t" * 900
    tools.process("kill", "s1")
    serve(tools, html(long))
    assert len(told(tools("web_fetch", url=LOCAL))["title"]) == 200


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "no answer from 127.0.0.1"),
        ("nonsense\\r\\n\\r\\n", "no answer from 127.0.0.1"),
        ("HTTP/1.0 404 \\x1b[31mGone\\r\\n\\r\\n", "HTTP 404 [31mGone"),
        ("HTTP/1.0 302 Found\\r\\nLocation: http://nowhere.example/\\r\\n\\r\\n", "could not resolve host"),
        ("HTTP/1.0 302 Found\\r\\nLocation: file:///etc/passwd\\r\\n\\r\\n", "not a URL that can be fetched"),
        ("HTTP/1.0 200 OK\\r\\nContent-Type: \\xff/\\x1b\\r\\n\\r\\nx", "not text but"),
        ("HTTP/1.0 200 OK\\r\\nContent-Length: 999\\r\\n\\r\\nx", "the answer broke off after 1 bytes"),
    ],
)
def test_a_server_that_does_not_keep_to_the_rules_is_told(tools: Tools, answer: str, said: str) -> None:
    serve(tools, answer)
    assert error_of(tools("web_fetch", url=LOCAL)).startswith(said)


def test_a_body_without_end_is_cut_and_one_that_drips_times_out(tools: Tools) -> None:
    serve(tools, "HTTP/1.0 200 OK\\r\\nContent-Type: text/plain\\r\\n\\r\\n", "drip", "1000000", "0")
    call = tools("web_fetch", url=LOCAL, maxChars=500)
    assert (told(call)["truncated"], len(told(call)["text"])) == (True, 500)
    tools.process("kill", "s1")
    serve(tools, "HTTP/1.0 200 OK\\r\\nContent-Type: text/plain\\r\\n\\r\\n", "drip", "1", "0.05")
    assert error_of(tools("web_fetch", 1.0, url=LOCAL)) == "timed out after 1 s"


def test_the_page_server_is_nobodys_to_reach(tools: Tools) -> None:
    told(tools("web_fetch", url="https://guides.osterby.test/"))
    listening = tools.sh("tail -n +2 /proc/net/tcp | awk '$4 == \"0A\"'").observation
    assert listening == "(no output)"
