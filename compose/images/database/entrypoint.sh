#!/bin/sh
# /etc/pacslab/{init.sql,postgresql.conf,pg_hba.conf} -> a running PostgreSQL; init.sql is applied when it is new.
set -eu
CONFIGURATION=/etc/pacslab
APPLIED="$PGDATA/pacslab-init-applied"

wanted=$(sha256sum <"$CONFIGURATION/init.sql" 2>/dev/null || true)
if [ -n "$wanted" ] && [ "$wanted" != "$(cat "$APPLIED" 2>/dev/null || true)" ]; then
    # A server that nobody but this script can reach: a socket in a directory of mode 0700, no TCP.
    private=$(mktemp -d)
    echo "local all postgres trust" > "$private/pg_hba.conf"
    # init.sql holds passwords: neither server nor client may repeat a statement that failed.
    pg_ctl start --wait --silent --timeout=30 --log="$private/log" --options="-c listen_addresses='' \
        -c unix_socket_directories='$private' -c hba_file='$private/pg_hba.conf' \
        -c log_min_error_statement=panic -c log_statement=none -c fsync=off" || { cat "$private/log" >&2; exit 1; }
    if ! psql --no-psqlrc --quiet --host="$private" --username=postgres --dbname=postgres \
        --set=ON_ERROR_STOP=1 --set=VERBOSITY=terse --file="$CONFIGURATION/init.sql" >&2; then
        echo "database: $CONFIGURATION/init.sql was not applied" >&2
        pg_ctl stop --mode=immediate --silent
        exit 1
    fi
    pg_ctl stop --wait --mode=fast --silent
    rm -r "$private"
    printf '%s\n' "$wanted" >"$APPLIED"
fi

exec postgres -D "$PGDATA" -c config_file="$CONFIGURATION/postgresql.conf" -c hba_file="$CONFIGURATION/pg_hba.conf"
