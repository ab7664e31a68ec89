"""Stand-ins for Cloud Storage and Blob Storage, with the requests that rclone makes.

Invariant: a request without the token of the pod's identity is refused and recorded.
"""

import base64
import hashlib
import json
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from entra import TOKEN, encrypt


class ObjectStore:
    """One bucket in memory: `.objects` has the contents by name, `.refused` the requests without the token."""

    def __init__(self, handler, address, certificate, bucket):
        self.objects, self.refused, self.blocks, self.bucket = {}, [], {}, bucket
        self.server = ThreadingHTTPServer((address, 443), type("Handler", (handler,), {"store": self}))
        encrypt(self.server, certificate)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store = None

    def handle_any(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = b"".join(self.chunks())
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.store.refused.append((self.command, self.path))
            return self.answer(401)
        return self.take(unquote(url.path), query, body)

    def chunks(self):
        """The body, which has a length or comes in chunks."""
        if self.headers["Transfer-Encoding"] != "chunked":
            yield self.rfile.read(int(self.headers["Content-Length"] or 0))
            return
        while length := int(self.rfile.readline(), 16):
            yield self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class CloudStorage(Handler):
    """The JSON API: https://docs.cloud.google.com/storage/docs/json_api."""

    def take(self, path, query, body):
        objects, base = self.store.objects, f"/storage/v1/b/{self.store.bucket}/o"
        if self.command == "POST" and path == f"/upload{base}":
            boundary = self.headers["Content-Type"].split("boundary=")[1].strip('"').encode()
            described, content = (part.split(b"\r\n\r\n", 1)[1][:-2] for part in body.split(b"--" + boundary)[1:3])
            name = json.loads(described)["name"]
            objects[name] = content
            return self.json(self.described(name))
        if self.command == "GET" and path == base:
            prefix = query.get("prefix", "")
            names = [name for name in objects if name.startswith(prefix) and "/" not in name[len(prefix) :]]
            return self.json({"items": [self.described(name) for name in sorted(names)]})
        name = path.removeprefix(f"{base}/")
        if not path.startswith(f"{base}/") or name not in objects:
            return self.json({"error": {"code": 404, "message": f"no {path}"}}, 404)
        if self.command == "DELETE":
            del objects[name]
            return self.answer(204)
        if query.get("alt") == "media":
            return self.answer(200, objects[name], Content_Type="application/gzip")
        return self.json(self.described(name))

    def described(self, name):
        content, base = self.store.objects[name], "https://storage.googleapis.com/storage/v1/b"
        return {
            "kind": "storage#object",
            "name": name,
            "bucket": self.store.bucket,
            "size": str(len(content)),
            "md5Hash": base64.b64encode(hashlib.md5(content).digest()).decode(),
            "updated": "2026-01-01T00:00:00Z",
            "mediaLink": f"{base}/{self.store.bucket}/o/{name.replace('/', '%2F')}?alt=media",
        }

    def json(self, tree, status=200):
        self.answer(status, json.dumps(tree).encode(), Content_Type="application/json")


class BlobStorage(Handler):
    """The REST API: https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api."""

    def take(self, path, query, body):
        objects, container = self.store.objects, f"/{self.store.bucket}"
        if self.command == "GET" and path == container and query.get("comp") == "list":
            return self.answer(200, self.listing(query.get("prefix", "")).encode(), Content_Type="application/xml")
        name = path.removeprefix(f"{container}/")
        if not path.startswith(f"{container}/"):
            return self.answer(404, x_ms_error_code="ContainerNotFound")
        if self.command == "PUT" and query.get("comp") == "block":
            self.store.blocks[query["blockid"]] = body
            return self.answer(201)
        if self.command == "PUT" and query.get("comp") == "blocklist":
            ids = [part.split("<")[0] for part in body.decode().split("<Latest>")[1:]]
            objects[name] = b"".join(self.store.blocks.pop(one) for one in ids)
            return self.answer(201, **self.described(name))
        if self.command == "PUT":
            assert self.headers["x-ms-blob-type"] == "BlockBlob"
            objects[name] = body
            return self.answer(201, **self.described(name))
        if name not in objects:
            return self.answer(404, x_ms_error_code="BlobNotFound")
        if self.command == "DELETE":
            del objects[name]
            return self.answer(202)
        return self.answer(200, objects[name], **self.described(name))

    def described(self, name):
        digest = hashlib.md5(self.store.objects[name]).digest()
        return {
            "ETag": f'"{digest.hex()}"',
            "Last_Modified": formatdate(usegmt=True),
            "Content_MD5": base64.b64encode(digest).decode(),
            "Content_Type": "application/gzip",
            "x_ms_blob_type": "BlockBlob",
            "x_ms_creation_time": formatdate(usegmt=True),
        }

    def listing(self, prefix):
        blobs = ""
        for name, content in sorted(self.store.objects.items()):
            if name.startswith(prefix) and "/" not in name[len(prefix) :]:
                digest = base64.b64encode(hashlib.md5(content).digest()).decode()
                blobs += (
                    f"<Blob><Name>{name}</Name><Properties><Last-Modified>{formatdate(usegmt=True)}</Last-Modified>"
                    f"<Etag>1</Etag><Content-Length>{len(content)}</Content-Length><Content-MD5>{digest}</Content-MD5>"
                    "<Content-Type>application/gzip</Content-Type><BlobType>BlockBlob</BlobType></Properties></Blob>"
                )
        return (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{self.store.bucket}">'
            f"<Prefix>{prefix}</Prefix><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>"
        )
