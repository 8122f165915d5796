#!/usr/bin/env bash
# node_exporter drops a series that two text files give, and a family whose help differs, while its error metrics stay
# at zero.
#
# Guess: node_textfile_scrape_error becomes 1, as it does for a file that cannot be parsed, or the scrape fails.
# Seen with node_exporter 1.5.0 (Debian 12): of two equal series the one of the first file name stays, a family with
# another HELP or TYPE is dropped whole, node_textfile_scrape_error is 0, node_scrape_collector_success is 1, and only
# the log has a line. A file with a timestamp does set the error.
# It would hurt: two jobs of one program that write into one folder look healthy, and the alerts see one of them.
set -euo pipefail
folder=$(mktemp -d)
trap '[ -z "${exporter:-}" ] || kill "$exporter"; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet=2 prometheus-node-exporter=1.5.0-1+b6
dpkg --extract prometheus-node-exporter_*.deb .
mkdir text
printf '# HELP audit_tasks Tasks.\n# TYPE audit_tasks gauge\naudit_tasks{state="done"} 1\n' > text/first.prom
printf '# HELP audit_tasks Tasks.\n# TYPE audit_tasks gauge\naudit_tasks{state="done"} 2\n' > text/second.prom
printf '# HELP audit_errors Errors of the job.\n# TYPE audit_errors counter\naudit_errors{job="a"} 3\n' > text/third.prom
printf '# HELP audit_errors Other words.\n# TYPE audit_errors gauge\naudit_errors{job="b"} 4\n' > text/zeroth.prom
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
usr/bin/prometheus-node-exporter --web.listen-address="127.0.0.1:$port" --collector.disable-defaults \
    --collector.textfile --collector.textfile.directory=text > log 2>&1 &
exporter=$!
for _ in $(seq 50); do
    curl --silent --fail "127.0.0.1:$port/metrics" > metrics && break
    sleep 0.1
done
seen=$(grep -E '^(audit_|node_textfile_scrape_error|node_scrape_collector_success)' metrics)
expected='audit_errors{job="a"} 3
audit_tasks{state="done"} 1
node_scrape_collector_success{collector="textfile"} 1
node_textfile_scrape_error 0'
echo "$seen"
if [ "$seen" != "$expected" ] || ! grep --quiet 'was collected before' log; then
    echo 'node_exporter behaves otherwise now' >&2
    exit 1
fi
