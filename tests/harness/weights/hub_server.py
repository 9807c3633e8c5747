"""A hub on this machine for tests: the few addresses its client asks, answered from memory."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

COMMIT = "1" * 40
SMALL = (".json", ".txt")
TORN = b"this arrives with another last letter"


class Hub(BaseHTTPRequestHandler):
    """Answers one connection of the client."""

    protocol_version = "HTTP/1.1"

    def __init__(self, repositories: Mapping[str, Mapping[str, bytes]], gated: tuple[str, ...], *connection: Any) -> None:
        self.repositories, self.gated = repositories, gated
        super().__init__(*connection)  # which answers

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path)
        if match:
            self._about(match[1], match[2] or "revision")
            return
        match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if match and match[3] in self.repositories.get(match[1], {}):
            self._file(match[3], self.repositories[match[1]][match[3]])
            return
        self._refuse(404, "EntryNotFound")

    def _about(self, repo: str, what: str) -> None:
        if repo in self.gated:
            self._refuse(403, "GatedRepo")
        elif repo not in self.repositories:
            self._refuse(404, "RepoNotFound")
        elif what == "tree":
            self._send(json.dumps([
                {"type": "file", "path": name, "size": len(data), "oid": git_sha1(data), **({} if name.endswith(SMALL) else _lfs(data))}
                for name, data in self.repositories[repo].items()
            ]).encode())  # fmt: skip
        else:
            files = [{"rfilename": name, "size": len(data), **_kept(name, data)} for name, data in self.repositories[repo].items()]
            self._send(json.dumps({"id": repo, "sha": COMMIT, "siblings": files}).encode())

    def _file(self, name: str, data: bytes) -> None:
        digest = git_sha1(data) if name.endswith(SMALL) else hashlib.sha256(data).hexdigest()
        sent = data[:-1] + b"!" if data == TORN else data
        self._send(sent, **{"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT, "X-Linked-Etag": f'"{digest}"'})

    def _refuse(self, code: int, error: str) -> None:
        self.send_response(code)
        self.send_header("X-Error-Code", error)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, data: bytes, **headers: str) -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(repositories: Mapping[str, Mapping[str, bytes]], gated: tuple[str, ...] = ()) -> Iterator[str]:
    """Serve these files, of gated repositories none; gives the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, repositories, gated))
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _kept(name: str, data: bytes) -> dict[str, object]:
    """As the hub keeps large files, or small ones, which are the texts."""
    return {"blobId": git_sha1(data)} if name.endswith(SMALL) else _lfs(data)


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _lfs(data: bytes) -> dict[str, object]:
    digest = hashlib.sha256(data).hexdigest()
    return {"lfs": {"oid": digest, "sha256": digest, "size": len(data), "pointerSize": 130}}
