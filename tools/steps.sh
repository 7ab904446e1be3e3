# Run steps with their output in target/logs, then tell which passed, how long each took and how many tests ran.

logs=${logs:-target/logs}
table=$logs/table # a line per finished step: name, seconds, ok or FAILED, tests passed, failed, skipped
mkdir -p "$logs"
: >"$table"

# The tests a log tells of, as "passed failed skipped": cargo's line per binary, pytest's last line, tests/cpython's last line.
count() {
    awk '
        /^test result: / || /^(=+ )?[0-9]+ [a-z]+.* in [0-9.]+s/ || /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {
            gsub(/[,;]/, "")
            for (i = 2; i <= NF; i++) sum[$i] += $(i - 1)
        }
        END {
            passed = sum["passed"] + sum["xfailed"]
            failed = sum["failed"] + sum["error"] + sum["errors"]
            print passed, failed, sum["skipped"] + sum["ignored"]
        }
    ' "$1"
}

# check NAME COMMAND...: run a step, and show the end of its log if it fails.
check() {
    local name=$1 log=$logs/${1// /-}.log start=${EPOCHREALTIME/./} result=ok tenths seconds passed failed skipped
    shift
    echo "        ... $name"
    "$@" >"$log" 2>&1 || result=FAILED
    tenths=$(((${EPOCHREALTIME/./} - start) / 100000))
    seconds=$((tenths / 10)).$((tenths % 10))
    read -r passed failed skipped < <(count "$log")
    [[ $result == ok ]] || ((failed)) || failed=1 # it broke before it could count
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$seconds" "$result" "$passed" "$failed" "$skipped" >>"$table"
    if ((passed + failed + skipped)); then
        name+=" ($passed passed, $failed failed, $skipped skipped)"
    fi
    if [[ $result == ok ]]; then
        printf '%7s ok     %s\n' "$seconds" "$name"
    else
        printf '%7s FAILED %s, the end of %s:\n%s\n' "$seconds" "$name" "$log" "$(tail -n 60 "$log" | sed 's/^/    | /')"
        return 1
    fi
}

# tests NAME COMMAND...: the same for a run of tests, which fails too if there was no test to run.
tests() {
    check "$1" some_test_ran "$logs/${1// /-}.log" "${@:2}"
}

some_test_ran() {
    local log=$1
    shift
    # A shell's background jobs ignore Ctrl-C, and so would the programs under test.
    env --default-signal=INT,QUIT "$@" || return
    if [[ $(count "$log") == 0\ * ]]; then
        echo "No test ran."
        return 1
    fi
}

# Did a step fail?
broken() {
    grep -q $'\tFAILED\t' "$table"
}

# The names of the tests that failed, by the logs: pytest's "FAILED name", cargo's and tests/cpython's "name ... FAILED".
failures() {
    local name result log
    while IFS=$'\t' read -r name _ result _; do
        [[ $result == FAILED ]] || continue
        log=$logs/${name// /-}.log
        echo
        echo "$name:"
        grep -m 20 -E '^(FAILED|ERROR) |^test .* FAILED$' "$log" | cut -c 1-200 || tail -n 5 "$log"
    done <"$table"
}

# The table, what failed, and the closing line.
summary() {
    awk -F '\t' -v total="$SECONDS" '
        BEGIN { printf "\n%-26s %8s  %-6s %7s %7s %7s\n", "step", "seconds", "result", "passed", "failed", "skipped" }
        {
            printf "%-26s %8s  %-6s", $1, $2, $3
            if ($4 + $5 + $6) printf " %7d %7d %7d", $4, $5, $6
            print ""
        }
        END { printf "%-26s %8s\n", "together", total ".0" }
    ' "$table"
    failures
    awk -F '\t' '{ passed += $4; failed += $5 } END { printf "\n%d passed, %d failed\n", passed, failed }' "$table"
    ! broken
}
