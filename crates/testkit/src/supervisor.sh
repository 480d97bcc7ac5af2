# Runs servers for the process at the other end of its standard input, and when that
# ends, however it ends: kills them and all their children, and removes their folder.
# Lines on standard input are commands (the functions below), lines on standard output
# are reports: "done N STATUS", "started N PID", "ended N STATUS".
dir=$1
watchers='' ending=''

# `table`: "pid:parent" of every process that is not a zombie; `group`: those of our process
# group, which servers are in unless they leave it.
scan() {
    table='' group=' '
    if [ -r /proc/self/stat ]; then
        for stat in /proc/[0-9]*/stat; do
            { read -r line <"$stat"; } 2>/dev/null || continue
            pid=${stat#/proc/}
            line=${line##*) } # the name in brackets may hold anything
            case $line in [ZX]*) continue ;; esac
            line=${line#* }
            pid=${pid%/stat} parent=${line%% *} line=${line#* }
            table="$table $pid:$parent"
            case $line in "$$ "*) group="$group$pid:$parent " ;; esac
        done
    else
        rows=$(ps -A -o stat= -o pid= -o ppid= -o pgid=)
        while read -r state pid parent leader; do
            case $state in Z* | '') continue ;; esac
            table="$table $pid:$parent"
            [ "$leader" = $$ ] && group="$group$pid:$parent "
        done <<EOF
$rows
EOF
    fi
}

# `strays`: those of our group whose parent is not of it. Their own has been killed by somebody
# else, as the master of nginx, whose workers go on.
find_strays() {
    strays=' '
    for row in $group; do
        [ "${row%:*}" = $$ ] && continue
        case $group in *" ${row#*:}:"*) ;; *) strays="$strays${row%:*} " ;; esac
    done
}

# `tree`: what descends from these watchers, and at the end from all strays. A number that is
# no longer a child of this shell is somebody else's process by now.
descend() {
    scan
    roots=' '
    for root in "$@"; do
        case "$table " in *" $root:$$ "*) roots="$roots$root " ;; esac
    done
    tree=' ' more=1
    if [ "$ending" ]; then
        find_strays
        tree=$strays
    fi
    while [ "$more" ]; do
        more=''
        for row in $table; do
            case $tree in *" ${row%:*} "*) continue ;; esac
            case $roots$tree in *" ${row#*:} "*) tree="$tree${row%:*} " more=1 ;; esac
        done
    done
}

# Stops what descends from these watchers, until nothing new is born. Sets `frozen`.
freeze() {
    frozen=' '
    while :; do
        new=''
        descend "$@"
        for pid in $tree; do
            case $frozen in *" $pid "*) ;; *) new="$new$pid " ;; esac
        done
        [ "$new" ] || return 0
        kill -STOP $new 2>/dev/null
        frozen="$frozen$new"
    done
}

thaw() {
    descend "$@"
    [ "$tree" = ' ' ] || kill -CONT $tree 2>/dev/null
}

# Kills what descends from these watchers and returns when it is gone. Frozen first: a
# postmaster that sees a backend die starts another, and one that is gone cannot be
# asked for its backends.
slay() {
    freeze "$@"
    [ "$frozen" = ' ' ] && return 0
    kill -KILL $frozen 2>/dev/null
    tries=0
    while [ "$tries" -lt 1000 ]; do
        scan
        left=''
        for row in $table; do
            case $frozen in *" ${row%:*} "*) left=1 ;; esac
        done
        [ "$left" ] || return 0
        sleep 0.01
        tries=$((tries + 1))
    done
    return 1
}

# Signals the server below this watcher, and not the server's children.
notify() {
    scan
    for row in $table; do
        [ "${row#*:}" = "$2" ] && kill "-$1" "${row%:*}"
    done
    return 0
}

# Starts a server below a watcher: a shell that reaps it and reports its end. The watcher
# must outlive the server, which is found by it: no signal ends it. There may be no reader of
# its reports, and the kernel hangs up on a group that has lost its parent while a member is
# stopped. Servers set their own handlers for these.
launch() {
    number=$1 log=$2
    shift 2
    {
        trap '' HUP INT TERM PIPE
        "$@" </dev/null >"$log" 2>&1 &
        echo "started $number $!"
        wait $!
        echo "ended $number $?"
    } </dev/null &
    watchers="$watchers $!"
    eval "watcher_$number=$!"
}

# Does a thing to one server: `on N slay`, `on N notify INT`.
on() {
    eval "watcher=\$watcher_$1"
    shift
    "$@" "$watcher"
}

reply() {
    number=$1
    shift
    "$@"
    echo "done $number $?"
}

# PostgreSQL's lock on its data is a segment of shared memory that outlives SIGKILL.
release() {
    for file in "$dir"/*/postmaster.pid; do
        [ -r "$file" ] || continue
        row=0
        while read -r _ segment; do
            row=$((row + 1))
            [ "$row" = 7 ] && [ "$segment" ] && ipcrm -m "$segment" 2>/dev/null
        done <"$file"
    done
}

clean_up() {
    trap '' HUP INT TERM
    trap - EXIT
    ending=1
    tries=0
    while [ "$tries" -lt 100 ]; do
        slay $watchers
        # Born meanwhile: when our parent ends, the kernel wakes what we have stopped and hangs up
        # on it, and the master of nginx takes that for a reason to start another worker.
        descend $watchers
        left=${tree% }
        # A watcher that has not started its server yet is still there.
        for watcher in $watchers; do
            case "$table " in *" $watcher:$$ "*) left=1 ;; esac
        done
        [ "$left" ] || break
        sleep 0.01
        tries=$((tries + 1))
    done
    wait
    release
    rm -rf "$dir"
    exit 0
}

base=${dir%/*}
umask 077
mkdir -p "$base" && [ -O "$base" ] && [ ! -L "$base" ] || { echo "$base is not ours"; exit 1; }
trap clean_up EXIT HUP INT TERM
trap : PIPE # the reader of the reports may be gone
mkdir "$dir" || exit 1
exec 2>"$dir/supervisor.log"
echo 'done 0 0'
while IFS= read -r line; do
    eval "$line"
done
clean_up
