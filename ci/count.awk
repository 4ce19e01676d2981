# Counts the tests of one step's log; prints `N passed, N failed, N skipped`. Give it `-v status=N`,
# the step's exit status: a step that counts nothing itself is one test, and one that failed without
# a failed test (it did not build, its time was up) is one failure.

/^test result: / { cargo = 1; counted = 1; passed += $4; failed += $6; skipped += $8 }
/^[a-z]+: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { counted = 1; passed += $2; failed += $4; skipped += $6 }
/^skipped: / { said++ }

END {
    # A test of ours that cannot run says so and returns: cargo takes it for passed.
    if (cargo) { passed -= said; skipped += said }
    if (!counted && said) skipped += said
    else if (!counted && status == 0) passed++
    if (status != 0 && !failed) failed++
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
}
