#!/usr/bin/env bash
# limit_req of nginx without a burst admits one request per millisecond, however high its rate is.
#
# Guess: limit_req with rate=100000r/s admits any number of requests up to that rate, so ten at once are no problem.
# Seen with nginx 1.22.1 (Debian 12): of ten requests that arrive in the same millisecond, it admits the first and refuses
# nine, with rate=100000r/s as with rate=1000r/s. With burst=10 nodelay it admits all ten.
# It would hurt: a gateway that is configured for 5,000 requests per second refuses a client that sends 2,000 evenly, since
# two of them meet in a millisecond; the client takes the limit to be below 1,000.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet=2 nginx=1.22.1-9+deb12u11
dpkg --extract nginx_*.deb .
cat > nginx.conf <<'CONF'
daemon off;
pid nginx.pid;
error_log stderr crit;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    limit_req_status 429;
    limit_req_zone $host zone=thousand:1m rate=1000r/s;
    limit_req_zone $host zone=many:1m rate=100000r/s;
    server {
        listen unix:socket;
        root pages;
        location /thousand { limit_req zone=thousand; }
        location /many { limit_req zone=many; }
        location /burst { limit_req zone=many burst=10 nodelay; }
    }
}
CONF
mkdir pages
for page in thousand many burst; do echo ok > "pages/$page"; done
cat > look.py <<'PYTHON'
import socket
import time

for path in ["thousand", "many", "burst"]:
    time.sleep(0.1)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("socket")
        last = f"GET /{path} HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n"
        client.sendall((f"GET /{path} HTTP/1.1\r\nHost: api\r\n\r\n" * 9 + last).encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    print(f"{path}: {answer.count(b'HTTP/1.1 200')} of 10 admitted")
PYTHON
usr/sbin/nginx -p "$folder" -c nginx.conf 2> log &
server=$!
for _ in $(seq 100); do [ -S socket ] && break; sleep 0.1; done
python3 look.py | tee seen
printf '%s\n' 'thousand: 1 of 10 admitted' 'many: 1 of 10 admitted' 'burst: 10 of 10 admitted' > expected
if ! diff expected seen; then
    echo "nginx behaves otherwise now"
    exit 1
fi
echo "as described"
