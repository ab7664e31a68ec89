"""The proxy that requires a token."""

import json
import subprocess

import pytest
from conftest import NEWEST, client, eventually

from compose.deployment import CHROMA, COUNT, TOKEN, jaeger_spans, of_spec

pytestmark = pytest.mark.docker


@of_spec(
    {"access": "{token: true}"},
    {"access": "{host: chroma.example.com}"},
    {"access": "{host: chroma.example.com, certificate: tls}"},
)
class TestAccess:
    """The proxy that requires a token, without TLS, with Caddy's certificate in place of Let's Encrypt's, and with an
    own one."""

    @pytest.fixture(autouse=True)
    def trust(self, stack):
        """Trusts the own certificate only."""
        own = stack.folder / "tls/tls.crt"
        self.trusted = ["--cacert", own] if own.exists() else ["--insecure"]

    def ask(self, spec, *words, path=COUNT):
        """The status of the response to `curl`, on this machine in place of the host."""
        has_tls = "host" in spec["access"]
        url = "https://chroma.example.com" if has_tls else f"http://127.0.0.1:{CHROMA}"
        here = [*self.trusted, "--resolve", "chroma.example.com:443:127.0.0.1"]
        command = [
            "curl",
            "--silent",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
            *here,
            *words,
            url + path,
        ]
        return int(subprocess.run(command, capture_output=True, text=True).stdout)

    def test_only_the_token_opens_and_requests_are_traced(self, stack, spec):
        eventually(lambda: self.ask(spec) == 401, "a proxy that refuses strangers", 30)
        assert self.ask(spec, "--header", f"Authorization: Bearer {TOKEN}0") == 401
        before = len(jaeger_spans())
        assert self.ask(spec, "--header", f"Authorization: Bearer {TOKEN}") == 200
        eventually(lambda: len(jaeger_spans()) > before, "the trace of the request", 30)

    def test_recipe_and_client_send_the_token(self, stack, spec, tools):
        [curl] = stack.recipe("See a trace")
        if "host" in spec["access"]:
            assert " https://chroma.example.com/api/" in curl and "CHROMA_TOKEN" in curl
            return
        assert json.loads(stack.shell(curl).stdout) == []
        client(tools, NEWEST, CHROMA, "fill", "query", "delete", token=TOKEN)

    def test_only_the_proxy_is_published_and_has_the_token(self, stack):
        assert not stack.container("chroma")["HostConfig"]["PortBindings"]
        for service in ("chroma", "otel-collector", "jaeger"):
            assert TOKEN not in json.dumps(stack.container(service))
        assert TOKEN not in stack.logs()
        proxy = stack.container("proxy")["HostConfig"]
        assert proxy["ReadonlyRootfs"] and proxy["CapDrop"] == ["ALL"]
        assert all(one["HostIp"] == "127.0.0.1" for ports in proxy["PortBindings"].values() for one in ports)

    def test_tokens_rotate_and_read_only_tokens_cannot_write(self, stack, spec):
        old, new, reader = TOKEN, "2c77b1de90f4a3586e11bb02", "91d0c5e7a82f4463bb27ee03"
        collections = COUNT.removesuffix("_count")

        def status(token, *words, path=COUNT):
            return self.ask(spec, "--header", f"Authorization: Bearer {token}", *words, path=path)

        stack.set(CHROMA_TOKEN=old, CHROMA_TOKEN_NEXT=new, CHROMA_READ_TOKEN=reader)
        stack.up()
        eventually(lambda: status(new) == 200, "the next token", 30)
        assert status(old) == 200
        assert status(reader) == 200
        create = ["--json", '{"name": "by-reader", "get_or_create": true}']
        assert status(reader, *create, path=collections) == 403
        assert status(reader, "--request", "DELETE", path=f"{collections}/by-reader") == 403
        assert status(new, *create, path=collections) == 200
        stack.set(CHROMA_TOKEN=new)
        stack.up()
        eventually(lambda: status(new) == 200, "the new token", 30)
        assert status(old) == status(reader) == 401
        stack.set(CHROMA_TOKEN=old)
        stack.up()
