# Sourced by command-line tests: a scratch folder $out and a program in the background, $pid, that go away, and
# checks that print TAP lines.
pid=
out=$(mktemp -d); trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; rm -rf "$out"' EXIT; trap 'exit 1' HUP INT TERM
check() { # WHAT STATUS COMMAND…: runs it, keeps its output in $out/stdout and $out/stderr
    what=$1; want=$2; shift 2
    "$@" >"$out/stdout" 2>"$out/stderr"; status=$?
    if grep -q 'the program has crashed (' "$out/stderr"; then echo "not ok - $what (a crash)"; cat "$out/stderr"
    elif [ $status -eq "$want" ]; then echo "ok - $what"; else
        echo "not ok - $what (status $status, expected $want)"; cat "$out/stderr"; fi
}
has() { # WHAT PATTERN FILE-IN-$out
    if grep -q -e "$2" "$out/$3"; then echo "ok - $1"; else echo "not ok - $1: no '$2' in $3"; cat "$out/$3"; fi
}
lacks() { # WHAT PATTERN FILE-IN-$out
    if [ ! -e "$out/$3" ]; then echo "not ok - $1: there is no $3"
    elif grep -q -e "$2" "$out/$3"; then echo "not ok - $1: '$2' in $3"; else echo "ok - $1"; fi
}
is() { # WHAT COMMAND…
    what=$1; shift
    if "$@" >/dev/null 2>&1; then echo "ok - $what"; else echo "not ok - $what"; fi
}
equals() { # WHAT FOUND EXPECTED
    if [ "$2" = "$3" ]; then echo "ok - $1"; else echo "not ok - $1: $2, expected $3"; fi
}
numbers() { # FILE.safetensors: a checksum of its tensors, without the header
    header=$(od -An -tu8 -N8 "$1" | tr -d ' ')
    tail -c +$((header + 9)) "$1" | cksum
}
