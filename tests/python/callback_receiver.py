"""Webhook receivers as sites implement them: one with the Standard Webhooks library, one that parses the body as the
original site's backend does.

Usage: callback_receiver.py standard|greloupis SECRET. Prints its port, accepts one POST, prints the parsed event as
JSON, and exits. An invalid request is answered 400, with the reason on stderr.
"""

import ast
import http.server
import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

STYLE, SECRET = sys.argv[1:]


def is_accepted(webhook, body, headers):
    try:
        webhook.verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def configured_webhook():
    """A webhook with the configured secret, which is base64 or else raw."""
    try:
        return Webhook(SECRET)
    except ValueError:
        return Webhook(SECRET.encode())


def standard(headers, body):
    webhook = configured_webhook()
    event = webhook.verify(body, headers)
    # A change of any signed item must fail the verification.
    changed = [
        (body.replace(b"video.ready", b"video.ready "), headers),
        (body, {**headers, "webhook-id": headers["webhook-id"] + "x"}),
        (body, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}),
        (body, {**headers, "webhook-signature": "v1," + "A" * 43 + "="}),
    ]
    for body, headers in changed:
        assert not is_accepted(webhook, body, headers), "a changed message is accepted"
    other = Webhook(b"another secret of thirty-two bytes")
    assert not is_accepted(other, *changed[0])
    return event


def greloupis(headers, body):
    """Parses the body as the original backend does: as a Python literal instead of JSON."""
    assert headers["content-type"] == "application/json", headers
    text = body.decode("utf-8")
    kw = ast.literal_eval(text)
    assert kw == eval(text) == json.loads(text), "Python and JSON parse it differently"
    for word in ("null", "true", "false"):
        try:
            ast.literal_eval(text.replace('"video_id"', f'"extra": {word}, "video_id"'))
        except ValueError:
            continue
        raise AssertionError(f"{word} is accepted, so this test proves nothing")
    assert kw["aws_auth_key"] == SECRET
    for name, value in kw.items():
        assert type(value) in (str, int), f"{name} is {value!r}"
        assert len(str(value)) <= 200, f"{name} is too long for the database"
    return kw


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            event = {"standard": standard, "greloupis": greloupis}[STYLE](headers, body)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            self.send_response(400)
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        print(json.dumps(event), flush=True)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.handle_request()
