"""The rendered proxy that requires a token: a real Caddy in front of a real Chroma.

Only the addresses in the rendered Caddyfile are changed; the token is in the pod's variable.
"""

import http.client
import json
import os
import subprocess
import urllib.error
import urllib.request

import pytest
from conftest import CACHE, NEWEST, client, free_ports, get

pytestmark = pytest.mark.kubernetes

TOKEN = "8d2f9a40c1e65b7d33aa00f1"
BEARER = f"Bearer {TOKEN}"
HEARTBEAT = "/api/v2/heartbeat"
CLIENT = """
import sys, chromadb
from chromadb.config import Settings
port, token, size = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
auth = Settings(
    chroma_client_auth_provider="chromadb.auth.token_authn.TokenAuthClientProvider",
    chroma_client_auth_credentials=token,
)
documents = chromadb.HttpClient(host="127.0.0.1", port=port, settings=auth).get_or_create_collection("large")
documents.add(ids=["1"], embeddings=[[1.0, 2.0]], documents=["x" * size])
assert len(documents.get(ids=["1"])["documents"][0]) == size
assert documents.query(query_embeddings=[[1.0, 2.0]], n_results=1)["ids"] == [["1"]]
"""


@pytest.fixture
def exposed(render, chroma, tools, start, tmp_path):
    """exposed(token=…, **spec) -> the proxy, with `.port`, in front of a Chroma, `.chroma`."""
    import yaml

    caddy = tools.part("caddy/caddy")

    def run(token=TOKEN, **chroma_spec):
        spec = tmp_path / "kubernetes.yaml"
        spec.write_text(
            yaml.safe_dump(
                {
                    "tracing": {"backend": "debug"},
                    "chroma": chroma_spec,
                    "kubernetes": {"expose": {"host": "chroma.example.com"}},
                }
            )
        )
        rendered = render(out="kubernetes", target="kubernetes", spec=spec)
        documents = list(yaml.safe_load_all((rendered / "expose.yaml").read_text()))
        (container,) = next(one for one in documents if one["kind"] == "Deployment")["spec"]["template"]["spec"][
            "containers"
        ]
        made_of = subprocess.run([caddy, "build-info"], capture_output=True, text=True, check=True).stdout.split()
        assert "v" + container["image"].split(":")[1] in made_of[:7], "what is tested is what is rendered"
        docker = render()
        configuration = (docker / "config.yaml").read_text()
        if chroma_spec:
            (docker / "config.yaml").write_text(
                configuration + f"cors_allow_origins: {chroma_spec['cors_allow_origins']}\n"
            )
        server = chroma(NEWEST, {}, docker)
        port, health = free_ports(2)
        text = documents[0]["data"]["Caddyfile"]
        for rendered_as, here in (
            (":8080", f":{port}"),
            (":8081", f":{health}"),
            ("chroma-api:8000", f"127.0.0.1:{server.port}"),
        ):
            assert rendered_as in text
            text = text.replace(rendered_as, here)
        file = tmp_path / "Caddyfile"
        file.write_text(text)
        command = [caddy, *container["args"][1:-1], file]
        environment = {} if token is None else {"CHROMA_TOKEN": token}
        proxy = start(
            "caddy", command, {"XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), **environment}
        )
        proxy.until(lambda: get(f"http://127.0.0.1:{health}/"), "a proxy that is well")
        proxy.port, proxy.chroma = port, server
        return proxy

    return run


def ask(proxy, *authorization, method="GET", path=HEARTBEAT, headers=(), body=None):
    """The status and headers (lower case) of the response; each `authorization` is a separate header."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    connection.putrequest(method, path)
    for value in authorization:
        connection.putheader("Authorization", value)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    answer.read()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def test_proxy_accepts_only_the_exact_token(exposed):
    proxy = exposed()
    assert ask(proxy, BEARER)[0] == 200
    status, headers = ask(proxy)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    almost = [
        "",
        "*",
        "Bearer",
        "Bearer ",
        "Bearer *",
        TOKEN,
        f"bearer {TOKEN}",
        f"BEARER {TOKEN}",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN.upper()}",
        f"Bearer  {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}0",
        f"Bearer {TOKEN},{BEARER}",
        f"Bearer {TOKEN}%00",
        "Bearer {env.CHROMA_TOKEN}",
        "{env.CHROMA_TOKEN}",
        'Bearer " + "',
        "Bearer .*",
    ]
    for value in almost:
        assert ask(proxy, value)[0] == 401, value
    for several in ((BEARER, BEARER), (BEARER, "Bearer x"), ("Bearer x", BEARER)):
        assert ask(proxy, *several)[0] == 401, several
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD"):
        assert ask(proxy, method=method)[0] == 401, method
    assert ask(proxy, path="/")[0] == ask(proxy, "Bearer x", method="HEAD", path="/")[0] == 200, (
        "what load balancers ask"
    )
    assert ask(proxy, method="POST", path="/")[0] == 401
    for path in ("/docs", "/api/v2/../v2/heartbeat", "//api/v2/heartbeat", "/api/v2/reset"):
        assert ask(proxy, path=path)[0] == 401, path
    for name in ("X-Chroma-Token", "Proxy-Authorization", "Authorization_"):
        assert ask(proxy, headers=[(name, BEARER)])[0] == 401, name
    assert TOKEN not in proxy.log


@pytest.mark.parametrize("token", [None, "", "short", "fifteen-letters"])
def test_missing_or_short_token_rejects_all_requests(exposed, token):
    proxy = exposed(token=token)
    for value in (f"Bearer {token or ''}", "Bearer ", "Bearer", "", BEARER):
        assert ask(proxy, value)[0] == 503, value
    assert ask(proxy)[0] == 503
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{proxy.port}{HEARTBEAT}", timeout=60)
    assert b"CHROMA_TOKEN has fewer than 16 characters" in refused.value.read()


def test_python_client_adds_and_finds_thirty_mebibytes(exposed, tools):
    proxy = exposed()
    environment = {"PATH": os.environ["PATH"], "HOME": str(CACHE), "ANONYMIZED_TELEMETRY": "False"}
    run = lambda token, size: subprocess.run(
        [tools.chroma(NEWEST) / "python", "-c", CLIENT, str(proxy.port), token, str(size)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    done = run(TOKEN, 30 << 20)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run("another", 1)
    assert done.returncode != 0
    assert "Unauthorized" in done.stderr or "401" in done.stderr, done.stderr
    client(tools, NEWEST, proxy.chroma.port, "fill", "query")  # direct access to Chroma is unchanged


def test_http_2_works_and_chroma_receives_the_traceparent_header(exposed, start, tools, tmp_path):
    proxy = exposed()
    command = [
        "curl",
        "--silent",
        "--http2-prior-knowledge",
        "--write-out",
        "%{http_version} %{http_code}",
        "--output",
        "/dev/null",
    ]
    url = f"http://127.0.0.1:{proxy.port}{HEARTBEAT}"
    for header, code in ((BEARER, "2 200"), ("Bearer x", "2 401")):
        done = subprocess.run(
            [*command, "--header", f"Authorization: {header}", url], capture_output=True, text=True, check=True
        )
        assert done.stdout == code
    proxy.chroma.stop()
    # Replaces Chroma; responds with the headers of the request.
    echo = (
        "import http.server as h, json\nclass E(h.BaseHTTPRequestHandler):\n def do_GET(self):\n"
        "  self.send_response(200); self.end_headers(); self.wfile.write(json.dumps(dict(self.headers)).encode())\n"
    )
    start("echo", ["python3", "-c", f"{echo}h.HTTPServer(('127.0.0.1', {proxy.chroma.port}), E).serve_forever()"])
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    # The proxy retries until the server listens.
    connection.request("GET", "/", headers={"Authorization": BEARER, "traceparent": trace})
    told = {name.lower(): value for name, value in json.loads(connection.getresponse().read()).items()}
    assert told["traceparent"] == trace
    assert "authorization" not in told


def test_cors_preflight_requests_need_no_token(exposed):
    proxy = exposed(cors_allow_origins=["https://app.example.com"])
    preflight = [
        ("Origin", "https://app.example.com"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization"),
    ]
    status, headers = ask(proxy, method="OPTIONS", headers=preflight)
    assert (status, headers["access-control-allow-origin"]) == (200, "https://app.example.com")
    assert ask(proxy, method="OPTIONS")[0] == 401
    assert ask(proxy, method="GET", headers=preflight)[0] == 401
