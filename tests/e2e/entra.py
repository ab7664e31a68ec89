"""A stand-in for Microsoft Entra, and for names of the Internet: certificates and entries in /etc/hosts."""

import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlsplit

CLIENT, TENANT = "11111111-0000-4000-8000-000000000000", "33333333-0000-4000-8000-000000000000"
TOKEN = "token-of-the-stand-in"


class Entra:
    """Issues tokens for a resource (Azure Monitor): at the metadata service to a machine's identity, and at
    login.microsoftonline.com for the token of a ServiceAccount."""

    def __init__(self, address, certificate=None, resource="https://monitor.azure.com"):
        self.refused, self.resource = [], resource
        entra = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(entra.page(urlsplit(self.path), self.headers))

            def do_POST(self):
                form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                self.answer(entra.token_of_account(self.path, form))

            def answer(self, page):
                text = json.dumps(page or {"error": "invalid_request"}).encode()
                self.send_response(200 if page else 400)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(address, Handler)
        if certificate:
            encrypt(self.server, certificate)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self, url, headers):
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        login = "https://login.microsoftonline.com"
        if url.path == "/metadata/identity/oauth2/token" and headers["Metadata"] == "true":
            wanted = {"resource": self.resource, "client_id": CLIENT}
            return self.token(wanted.items() <= query.items(), query)
        if url.path == "/common/discovery/instance":
            known = {"preferred_network": login[8:], "preferred_cache": login[8:], "aliases": [login[8:]]}
            return {
                "tenant_discovery_endpoint": f"{login}/{TENANT}/v2.0/.well-known/openid-configuration",
                "metadata": [known],
            }
        if url.path == f"/{TENANT}/v2.0/.well-known/openid-configuration":
            of_tenant = f"{login}/{TENANT}/oauth2/v2.0"
            return {
                "issuer": f"{login}/{TENANT}/v2.0",
                "authorization_endpoint": f"{of_tenant}/authorize",
                "token_endpoint": f"{of_tenant}/token",
            }
        return self.token(False, url.path)

    def token_of_account(self, path, form):
        wanted = {
            "grant_type": "client_credentials",
            "client_id": CLIENT,
            "client_assertion": "token of the account",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }
        scopes = form.get("scope", "").split()
        known = path == f"/{TENANT}/oauth2/v2.0/token" and wanted.items() <= form.items()
        return self.token(known and f"{self.resource}/.default" in scopes, form)

    def token(self, allowed, request):
        if not allowed:
            self.refused.append(request)
            return None
        return {
            "access_token": TOKEN,
            "expires_in": 86399,
            "token_type": "Bearer",
            "resource": self.resource,
        }


def certificate_of(folder, *names):
    """A file with a key and a certificate for the names; `folder/ca` is the certificate alone."""
    certificate = folder / "certificate.pem"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    alternatives = ",".join(f"DNS:{name}" for name in names)
    words = ["-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={alternatives}"]
    files = ["-keyout", certificate, "-out", folder / "ca"]
    subprocess.run(["openssl", "req", "-x509", *key, *words, *files], check=True, capture_output=True)
    certificate.write_text(certificate.read_text() + (folder / "ca").read_text())
    return certificate


def encrypt(server, certificate):
    """Lets a server accept TLS connections only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)


def with_hosts(folder, addresses):
    """The start of a command whose program resolves these names to these addresses."""
    lines = [f"{address} {name}\n" for name, address in addresses.items()]
    (folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(lines))
    mount = 'mount --bind "$1" /etc/hosts; shift; exec "$@"'
    return ["unshare", "--mount", "sh", "-ec", mount, "-", folder / "hosts"]
