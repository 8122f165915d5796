#!/usr/bin/env bash
# obstore takes AWS_ALLOW_HTTP from the environment, and no longer does once any option of the client is passed.
#
# Guess: an option that has nothing to do with it, such as a timeout, changes nothing about the variables that are read.
# Seen with obstore 0.12.1: AWS_ALLOW_HTTP=true alone lets a store speak plain HTTP. With client_options={"timeout": "5s"}
# beside it, the same store refuses the same address. The same setting as config={"aws_allow_http": "true"} is kept.
# It would hurt: a job that worked with a bucket inside the company's network fails when its code gets a timeout, with an
# error that names neither.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet obstore==0.12.1
cat > look.py <<'PYTHON'
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
from obstore.store import S3Store


class Bucket(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        for name, value in {"Content-Length": "2", "ETag": '"1"', "Last-Modified": "Mon, 02 Nov 2026 00:00:00 GMT"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *arguments):
        pass


def answer(**options):
    store = S3Store(
        "bucket",
        endpoint=f"http://127.0.0.1:{server.server_port}",
        region="any",
        access_key_id="a",
        secret_access_key="b",
        retry_config={"max_retries": 0},
        **options,
    )
    try:
        return bytes(obstore.get(store, "key").bytes()).decode()
    except Exception as error:
        return f"{type(error).__name__}"


server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
threading.Thread(target=server.serve_forever, daemon=True).start()
timeout = {"client_options": {"timeout": "5s"}}
print("setting and timeout:", answer(config={"aws_allow_http": "true"}, **timeout))
os.environ["AWS_ALLOW_HTTP"] = "true"
print("variable:", answer())
print("variable and timeout:", answer(**timeout))
PYTHON
venv/bin/python look.py | tee seen
printf '%s\n' 'setting and timeout: ok' 'variable: ok' 'variable and timeout: GenericError' > expected
if ! diff expected seen; then
    echo "obstore behaves otherwise now"
    exit 1
fi
echo "as described"
