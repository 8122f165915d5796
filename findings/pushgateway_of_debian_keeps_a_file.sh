#!/usr/bin/env bash
# Debian's Pushgateway keeps its groups in one file of the machine by default, and a second one on another port reads and
# overwrites it.
#
# Guess: without --persistence.file a Pushgateway keeps its groups in memory only, as upstream documents, so that one that
# is started for a trial on a free port is empty and disturbs no other.
# Seen with prometheus-pushgateway 1.5.1 (Debian 12): the default is /var/lib/prometheus/pushgateway.data. Two processes
# with one such file do not lock it: the second one starts with the groups of the first, and the one that ends last writes
# its own groups over those of the other.
# It would hurt: a trial shows series of jobs that do not exist any more, and the restarted service has lost pushes.
set -euo pipefail
folder=$(mktemp -d)
service="" trial=""
trap 'for each in $service $trial; do kill "$each" 2> /dev/null || true; done; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet=2 prometheus-pushgateway=1.5.1-2+b5
dpkg --extract prometheus-pushgateway_*.deb .
default=$(usr/bin/prometheus-pushgateway --help 2>&1 | grep --only-matching -- '--persistence.file="[^"]*"')
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# The file of the default is the machine's; this one stands for it.
start() { usr/bin/prometheus-pushgateway --persistence.file=data --web.listen-address="127.0.0.1:$1" > "log.$1" 2>&1 & }
ready() { for _ in $(seq 50); do curl --silent --fail "127.0.0.1:$1/-/ready" > /dev/null && return; sleep 0.1; done; }
push() { echo "pushed 1" | curl --silent --fail --data-binary @- "127.0.0.1:$1/metrics/job/$2"; }
jobs_on() { curl --silent "127.0.0.1:$1/metrics" | grep --only-matching '^pushed{[^}]*}' | sed 's/.*job="\([^"]*\)".*/\1/' | sort | xargs; }
end() { kill "$1"; wait "$1" || true; }
of_service=$(free)
start "$of_service"; service=$!; ready "$of_service"
push "$of_service" before; end "$service"
start "$of_service"; service=$!; ready "$of_service"
of_trial=$(free)
start "$of_trial"; trial=$!; ready "$of_trial"
at_start=$(jobs_on "$of_trial")
push "$of_service" of_the_service; end "$service"
push "$of_trial" of_the_trial; end "$trial"
start "$of_service"; service=$!; ready "$of_service"
seen="$default
the trial starts with: $at_start
the service restarts with: $(jobs_on "$of_service")"
expected='--persistence.file="/var/lib/prometheus/pushgateway.data"
the trial starts with: before
the service restarts with: before of_the_trial'
echo "$seen"
if [ "$seen" != "$expected" ]; then
    echo 'The Pushgateway behaves otherwise now' >&2
    exit 1
fi
