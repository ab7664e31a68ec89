"""A stand-in for the services that a machine in Google's or Microsoft's cloud calls: services.py CLOUD FOLDER
ADDRESS

The metadata service listens on 169.254.169.254:80, the cloud's services on ADDRESS:80 and, with their real names in
FOLDER's certificate, on ADDRESS:443. FOLDER/made.json has the resources of the module and is read for each request.
FOLDER/refuse may contain `once|always STATUS WORDS`, to reject requests with WORDS in their URL. FOLDER/requests logs
each request as a line of JSON, without tokens.

Invariant: requests that the real service rejects (a token that was not issued or is for another service, a missing
header, a wrong method, an unknown version or name) are rejected with its error message.
"""

import base64
import hashlib
import importlib
import json
import secrets
import socket
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

FOLDER = Path(sys.argv[2])
METADATA = "169.254.169.254"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
WRITING = threading.Lock()


class Refused(Exception):
    """A rejected request: status, message, and headers."""

    def __init__(self, status, said="", **headers):
        self.status, self.said, self.headers = status, said, headers


def made():
    """The resources of the module."""
    return json.loads((FOLDER / "made.json").read_text())


class Tokens:
    """The issued tokens, each with its purpose."""

    def __init__(self):
        self.given = {}

    def give(self, purpose):
        token = f"token-{secrets.token_hex(16)}"
        self.given[token] = purpose
        return token

    def check(self, header, purpose, status=401):
        kind, _, token = (header or "").partition(" ")
        if kind != "Bearer" or self.given.get(token) != purpose:
            raise Refused(status, f"this token is not for {purpose}")


TOKENS = Tokens()


class Request:
    """A request: `place` is the host name, `path` excludes the query, `body` is in bytes."""

    def __init__(self, handler, place):
        parts = urlsplit(handler.path)
        self.method, self.place, self.path, self.headers = handler.command, place, parts.path, handler.headers
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))

    def must(self, holds, status, said):
        if not holds:
            raise Refused(status, said)

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise Refused(400, "the body is no JSON") from None

    def form(self):
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


def note(**what):
    with WRITING, (FOLDER / "requests").open("a") as file:
        file.write(json.dumps(what) + "\n")


def refuse(address):
    """Rejects the requests that the test selected."""
    file = FOLDER / "refuse"
    if file.exists():
        times, status, words = file.read_text().rstrip("\n").split(" ", 2)
        if words in address:
            if times == "once":
                file.unlink()
            raise Refused(int(status), "out of luck")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do(self):
        place = self.headers.get("Host", "").partition(":")[0]
        metadata = self.server.server_address[0] == METADATA
        noted = {"method": self.command, "place": METADATA if metadata else place, "path": self.path}
        try:
            request = Request(self, place)
            refuse(f"{self.command} {noted['place']}{self.path}")
            answer, more = (CLOUD.metadata if metadata else CLOUD.service)(request)
            status, headers = 200, {}
        except Refused as refused:
            status, answer, headers, more = refused.status, refused.said, refused.headers, {"said": refused.said}
        note(**noted, status=status, **more)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        kind = "text/plain" if answer is text else answer.get("mediaType", "application/json")
        body = text.encode()
        self.send_response(status)
        for name, value in {**CLOUD.HEADERS, **headers, "Content-Type": kind, "Content-Length": len(body)}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = do

    def log_message(self, *_):
        pass


class Front(ThreadingHTTPServer):
    """TLS with the real names. Connections with HTTP/2 are gRPC and are forwarded to the gRPC server."""

    daemon_threads = True

    def __init__(self, address, grpc):
        super().__init__(address, Handler)
        self.grpc = grpc
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(FOLDER / "services.pem", FOLDER / "services.key")
        self.context.set_alpn_protocols(["http/1.1", "h2"])

    def finish_request(self, request, client_address):
        with self.context.wrap_socket(request, server_side=True) as secure:
            if secure.selected_alpn_protocol() == "h2":
                put_through(secure, self.grpc)
            else:
                Handler(secure, client_address, self)

    def handle_error(self, *_):
        print(repr(sys.exc_info()[1]), file=sys.stderr)


def put_through(secure, port):
    """Copies bytes in both directions until one side closes."""
    with socket.create_connection(("127.0.0.1", port)) as inner:

        def back():
            while data := inner.recv(65536):
                secure.sendall(data)

        thread = threading.Thread(target=back, daemon=True)
        thread.start()
        while data := secure.recv(65536):
            inner.sendall(data)
        inner.shutdown(socket.SHUT_WR)
        thread.join(5)


def registry(request, tokens_at, check):
    """A Docker registry with a token service, as in both clouds. A login with a name and a password that `check`
    accepts returns a token for the manifests of the images in `made`."""
    if request.path == tokens_at:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            raise Refused(401, {"errors": [{"code": "UNAUTHORIZED"}]})
        name, _, password = base64.b64decode(given).decode().partition(":")
        check(name, password)
        return {"token": TOKENS.give(f"pull {request.place}")}, {}
    challenge = f'Bearer realm="https://{request.place}{tokens_at}",service="{request.place}"'
    _, _, token = request.headers.get("Authorization", "").partition(" ")
    if TOKENS.given.get(token) != f"pull {request.place}":
        raise Refused(
            401,
            '{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}',
            WWW_Authenticate=challenge,
        )
    if request.path in ("/v2", "/v2/"):
        return {}, {}
    name, _, wanted = request.path.removeprefix("/v2/").partition("/manifests/")
    for tagged, image in made()["images"].items():
        repository, _, tag = tagged.rpartition(":")
        if repository == f"{request.place}/{name}" and wanted in (tag, digest(manifest(image))):
            return manifest(image), {}
    raise Refused(404, '{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')


def manifest(image):
    """A manifest that suffices for an engine that already has the image's layers."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "layers": [],
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 1, "digest": image},
    }


def digest(answer):
    return "sha256:" + hashlib.sha256(json.dumps(answer).encode()).hexdigest()


def main():
    grpc = CLOUD.serve_grpc()
    listening = [
        ThreadingHTTPServer((METADATA, 80), Handler),
        # The port of the cloud's resolver, to test access to it.
        ThreadingHTTPServer((METADATA, 53), Handler),
        Front((sys.argv[3], 443), grpc),
        # For clients that do not trust the certificate: the collector's container.
        ThreadingHTTPServer((sys.argv[3], 80), Handler),
    ]
    for server in listening:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    note(ready=True)
    threading.Event().wait()


if __name__ == "__main__":
    sys.modules["services"] = sys.modules["__main__"]
    CLOUD = importlib.import_module(sys.argv[1])
    main()
