#!/bin/sh
# run.sh RESULTS NAME COMMAND...: run a simulation of tb.sv and write its outcome to RESULTS/NAME.xml (JUnit).
#
# It passed when the bench itself said so, in a file that it writes (+verdict), and nowhere else: what the design prints
# means nothing, nor does it when the design ends the simulation. Exit code 0 when it passed, 1 when not.
results=$1 name=$2
shift 2
mkdir -p "$results"
verdict=$results/$name.verdict
rm -f "$verdict" "$results/$name.xml"
begun=$(date +%s)
"$@" "+verdict=$verdict" 2>&1 | tee "$results/$name.log"
seconds=$(($(date +%s) - begun))
if [ ! -s "$verdict" ] || ! tail -n 1 "$verdict" | grep -q '^PASS: \|^FAIL: '; then
    echo "FAIL: the simulation ended without a verdict of the bench, after $seconds seconds" >>"$verdict"
    tail -n 1 "$verdict"
fi
if tail -n 1 "$verdict" | grep -q '^PASS: ' && ! grep -q '^FAIL: \|^ERROR: ' "$verdict"; then failures=0; else failures=1; fi
echo "$name: $([ $failures = 0 ] && echo passed || echo FAILED), $seconds seconds"
{
    echo '<?xml version="1.0" encoding="utf-8"?>'
    echo "<testsuites tests=\"1\" failures=\"$failures\" errors=\"0\">"
    echo " <testsuite name=\"${name%%.*}\" tests=\"1\" failures=\"$failures\" errors=\"0\" skipped=\"0\" time=\"$seconds\">"
    echo "  <testcase classname=\"${name%%.*}\" name=\"${name#*.}\" time=\"$seconds\">"
    if [ $failures = 1 ]; then
        printf '   <failure message="%s">' "$(tail -n 1 "$verdict" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g')"
        tr -d '\000-\010\013\014\016-\037' <"$verdict" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'
        echo '</failure>'
    fi
    echo '  </testcase>'
    echo ' </testsuite>'
    echo '</testsuites>'
} >"$results/$name.xml"
exit $failures
