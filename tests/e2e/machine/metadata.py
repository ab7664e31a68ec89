"""The instance metadata service of a stand-in machine, version 2 only: metadata.py ADDRESS PORT INSTANCE.

Invariant: a request without an issued token is rejected.
"""

import json
import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKENS = set()
ROLE = "/latest/meta-data/iam/security-credentials/"
CREDENTIALS = {
    "Code": "Success",
    "Type": "AWS-HMAC",
    "AccessKeyId": "stand-in",
    "SecretAccessKey": "stand-in",
    "Token": "stand-in",
    "LastUpdated": "2026-01-01T00:00:00Z",
    "Expiration": "2099-01-01T00:00:00Z",
}
PAGES = {
    "/latest/meta-data/instance-id": sys.argv[3],
    "/latest/meta-data/hostname": "ip-198-51-100-2.eu-central-1.compute.internal",
    "/latest/dynamic/instance-identity/document": json.dumps({"region": "eu-central-1", "instanceId": sys.argv[3]}),
    ROLE: "instance",
    ROLE + "instance": json.dumps(CREDENTIALS),
}


class Metadata(BaseHTTPRequestHandler):
    def do_PUT(self):
        TOKENS.add(token := secrets.token_hex(16))
        given = self.path == "/latest/api/token" and "X-aws-ec2-metadata-token-ttl-seconds" in self.headers
        self.answer(200 if given else 400, token if given else "")

    def do_GET(self):
        known = self.headers.get("X-aws-ec2-metadata-token") in TOKENS
        page = PAGES.get(self.path)
        self.answer(200 if known and page else 404 if known else 401, page if known and page else "")

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Metadata).serve_forever()
