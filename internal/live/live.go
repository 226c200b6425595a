// Package live asks the real APIs what no document says. It ships an app with Slipway to real accounts, promotes it, asks one Question
// for each behaviour that the emulators' code marks as unconfirmed, destroys what it made, and reports each answer beside the emulators'.
// Every name that it makes begins with slipway-live-, and it touches nothing else. It runs by `make live` with credentials only, and
// against the emulators in every test run, where each answer must be the one that is documented.
package live

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Prefix begins every name that is made.
const Prefix = "slipway-live-"

// Question asks for one behaviour that is unconfirmed.
type Question struct {
	// ID is the behaviour's, as the emulators' code marks it: vercel-env-conflict.
	ID string
	// Asks is what is done. "" when no call can ask.
	Asks string
	// Here is what the emulators answer: status and code, or the shape of an error, or the field in question. Quoted words are
	// compared too. Of several calls they are joined by "; ".
	Here string
	// NotAsked is why no call can ask, and FindOut what a person would do. "" for a question that is asked.
	NotAsked, FindOut string

	ask func(*Session) (string, error)
}

// Questions are all of them, in the order in which they are asked.
func Questions() []Question {
	return slices.Concat(vercelQuestions(), deploymentQuestions(), sandboxQuestions(), neonQuestions(), upstashQuestions(), githubQuestions())
}

// notAsked is the reason of a question that turned out not to be askable with this account.
type notAsked string

func (n notAsked) Error() string { return string(n) }

// Verdict is what came of a question.
type Verdict string

// Verdicts.
const (
	AsDocumented Verdict = "as documented" // the answer is the emulators'
	Differs      Verdict = "differs"       // it is another
	NotAsked     Verdict = "not asked"     // no call can ask, or not with this account
	Failed       Verdict = "failed"        // no answer came
)

// Answer is what came of a question, without secrets: neither Got nor Why holds a reply's body.
type Answer struct {
	Question
	Verdict Verdict
	// Got is what the API answered, in the manner of Here. "" without an answer.
	Got string
	// Said is the words of the last refusal.
	Said string
	// Why there is no answer.
	Why string
}

func answered(q Question, got, said string, err error) Answer {
	var reason notAsked
	switch {
	case errors.As(err, &reason):
		return Answer{Question: q, Verdict: NotAsked, Why: string(reason)}
	case err != nil:
		return Answer{Question: q, Verdict: Failed, Why: err.Error()}
	case got == q.Here:
		return Answer{Question: q, Verdict: AsDocumented, Got: got, Said: said}
	}
	return Answer{Question: q, Verdict: Differs, Got: got, Said: said}
}

// String is a line of the report.
func (a Answer) String() string {
	text := cmp.Or(a.Got, a.Why)
	switch a.Verdict {
	case Differs:
		if a.Said != "" && !strings.Contains(text, a.Said) {
			text += ", in words: " + a.Said
		}
		text += " (the emulators answer " + a.Here + ")"
	case NotAsked:
		text = "not asked: " + text
		if a.FindOut != "" {
			text += ". To find out: " + a.FindOut
		}
		return fmt.Sprintf("%-32s %s", a.ID, text)
	}
	return fmt.Sprintf("%-32s %s: %s", a.ID, a.Verdict, text)
}

// MarshalJSON is a line of the report for programs.
func (a Answer) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{
		"id": a.ID, "asked": a.Asks, "verdict": string(a.Verdict), "answer": a.Got, "words": a.Said, "emulators": a.Here, "reason": a.Why, "find_out": a.FindOut,
	})
}

// Summary counts answers by verdict, in one line.
func Summary(answers []Answer) string {
	count := map[Verdict]int{}
	for _, a := range answers {
		count[a.Verdict]++
	}
	var parts []string
	for _, v := range []Verdict{AsDocumented, Differs, NotAsked, Failed} {
		parts = append(parts, fmt.Sprintf("%d %s", count[v], v))
	}
	return fmt.Sprintf("%d behaviours: %s", len(answers), strings.Join(parts, ", "))
}
