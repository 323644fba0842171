"""Receivers of callbacks, as sites write them: one by the library of Standard Webhooks, one by the original site's
way of reading a body.

Usage: callback_receiver.py standard|greloupis SECRET. Prints the port it listens on, takes one POST, prints as JSON
what it made of it, and ends. A receiver that isn't content answers 400 and says why on stderr.
"""

import ast
import http.server
import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

STYLE, SECRET = sys.argv[1:]


def verified(verify, body, headers):
    try:
        return verify(body, headers)
    except WebhookVerificationError:
        return None


def webhook():
    """The secret as it stands in the settings: base64, or else raw."""
    try:
        return Webhook(SECRET)
    except ValueError:
        return Webhook(SECRET.encode())


def standard(headers, body):
    by = webhook()
    event = by.verify(body, headers)
    # It can fail: everything that is signed counts.
    changed = [
        (body.replace(b"video.ready", b"video.ready "), headers),
        (body, {**headers, "webhook-id": headers["webhook-id"] + "x"}),
        (body, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}),
        (body, {**headers, "webhook-signature": "v1," + "A" * 43 + "="}),
    ]
    for body, headers in changed:
        assert verified(by.verify, body, headers) is None, "a changed message verifies"
    other = Webhook(b"another secret of thirty-two bytes")
    assert verified(other.verify, *changed[0]) is None
    return event


def greloupis(headers, body):
    """As the original's backend: no JSON, but a Python literal."""
    assert headers["content-type"] == "application/json", headers
    text = body.decode("utf-8")
    kw = ast.literal_eval(text)
    assert kw == eval(text) == json.loads(text), "Python and JSON read it differently"
    for word in ("null", "true", "false"):
        try:
            ast.literal_eval(text.replace('"video_id"', f'"extra": {word}, "video_id"'))
        except ValueError:
            continue
        raise AssertionError(f"{word} passes, so this proves nothing")
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
            made = {"standard": standard, "greloupis": greloupis}[STYLE](headers, body)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            self.send_response(400)
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        print(json.dumps(made), flush=True)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.handle_request()
