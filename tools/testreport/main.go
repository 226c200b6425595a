// Command testreport reads the output of go test -json and writes what a person needs: a line for each package as it ends, what failed
// as a whole, every skip with its reason, and a closing line "N passed, N failed, N skipped". Tests without subtests are counted.
//
// It exits with 1 when a test or a package failed, when no test ran, and, with -no-skip, when a test was skipped that the list
// of -allowed does not name. A line of that list is
//
//	PACKAGES | TESTS | REASON
//
// where * stands for any text and REASON is what the test gave to Skip. Lines that begin with # are comments.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	allowed := flag.String("allowed", "", "the `file` of the skips that -no-skip allows")
	noSkip := flag.Bool("no-skip", false, "fail on a skip that is not allowed")
	tally := flag.String("tally", "", "also write the closing line to this `file`")
	flag.Parse()
	ok, err := run(os.Stdin, os.Stdout, *allowed, *noSkip, *tally)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run reads in to its end and reports whether the tests are good. Its error is one of reading or writing.
func run(in io.Reader, out io.Writer, allowed string, noSkip bool, tally string) (bool, error) {
	var list []entry
	if allowed != "" {
		text, err := os.ReadFile(allowed)
		if err != nil {
			return false, err
		}
		if list, err = parseAllowed(string(text)); err != nil {
			return false, fmt.Errorf("%s:%w", allowed, err)
		}
	}
	r := newReport(out)
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			r.read(line)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, err
		}
	}
	ok := r.close(list, noSkip)
	if tally != "" {
		if err := os.WriteFile(tally, []byte(r.tally()+"\n"), 0o644); err != nil {
			return false, err
		}
	}
	return ok, nil
}
